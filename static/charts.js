// Where scripts run, uPlot takes over the drawn charts: values under the pointer, zoom by drag, and
// cursors that move together. What is drawn comes from the server, in the same words as the SVG.

(() => {
  const LINE_STYLES = {
    raw: { colour: "--water-mid", width: 1 },
    smooth: { colour: "--water", width: 2.25 },
    one: { colour: "--water", width: 1.6 },
    eval: { colour: "--eval", width: 1.4, dash: [4, 3] },
  };
  const MAX_DIAMONDS = 60;
  // Lower charts than this have little room around their plot.
  const SMALL = 220;
  const CLOCK_STEPS = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
  ];

  // The charts on this page by name, the part of x that all of them show, and the answers held.
  const charts = new Map();
  let zoom = null;
  const etags = new Map();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // ---- Words ----

  function axisWords(axis, value) {
    if (axis === "time") return clockWords(value);
    if (axis === "epoch") return `${Number(value.toFixed(2))}`;
    return axis === "tokens" ? shortNumber(value) : Math.round(value).toLocaleString("en");
  }

  function clockWords(seconds) {
    if (seconds < 60) return seconds < 0.5 ? "0" : `${Math.round(seconds)} s`;
    const minutes = Math.round(seconds / 60);
    if (minutes < 60) return `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
    return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours / 24} d`;
  }

  function shortNumber(value) {
    for (const [power, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
      if (Math.abs(value) >= power) return `${Number((value / power).toPrecision(4))}${unit}`;
    }
    return `${Number(value.toPrecision(4))}`;
  }

  function valueWords(unit, value) {
    if (unit === "USD") return `$${value.toFixed(2)}`;
    const size = Math.abs(value);
    const number =
      size !== 0 && (size < 0.001 || size >= 1e7)
        ? value.toExponential(2).replace("e+", "e")
        : Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 6 });
    return unit ? `${number} ${unit}` : number;
  }

  function heading(axis, value) {
    const words = axisWords(axis, value);
    return { step: `step ${words}`, epoch: `epoch ${words}`, tokens: `${words} tokens` }[axis] ?? words;
  }

  // ---- Ticks along x: round numbers, and the end of the run ----

  function xTicks(axis, [low, high], about) {
    const rough = (high - low) / about;
    let step;
    if (axis === "time") {
      step = CLOCK_STEPS.find((each) => each >= rough) ?? Math.ceil(rough / 86400) * 86400;
    } else {
      const power = 10 ** Math.floor(Math.log10(rough));
      step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
      if (axis === "step") step = Math.max(1, Math.round(step));
    }
    const ticks = [];
    for (let at = Math.ceil(low / step) * step; at <= high; at += step) {
      if (zoom !== null || high - at > step * 0.45) ticks.push(at);
    }
    if (zoom === null) ticks.push(high);
    return ticks;
  }

  // ---- One chart ----

  class Chart {
    constructor(frame, told) {
      this.url = frame.dataset.points;
      const drawing = [...frame.querySelectorAll("svg")].find((each) => each.clientHeight > 0);
      this.height = Math.round(drawing?.clientHeight || frame.clientHeight - paddings(frame).y);
      this.told = told;
      this.box = document.createElement("div");
      this.box.className = "chart-told";
      this.box.hidden = true;
      this.whole = document.createElement("button");
      this.whole.type = "button";
      this.whole.className = "chart-whole";
      this.whole.textContent = "See all";
      this.whole.hidden = zoom === null;
      this.whole.addEventListener("click", () => zoomTo(null));
      this.plot = new uPlot(this.options(frame), this.data());
      this.observer = new ResizeObserver(() => this.fit());
      this.mount(frame);
    }

    // Move into a frame, in the place of its drawing: the first one, or the one of a newer answer.
    mount(frame) {
      this.observer.disconnect();
      this.frame = frame;
      frame.replaceChildren(this.plot.root, this.whole);
      this.plot.over.append(this.box);
      // It calls at once, when the frame has its size.
      this.observer.observe(frame);
    }

    // As wide as the frame, and as high as it is where something beside it is higher.
    fit() {
      const { x, y } = paddings(this.frame);
      const width = this.frame.clientWidth - x;
      const height = Math.max(this.height, Math.floor(this.frame.clientHeight - y));
      if (width > 0 && (width !== this.plot.width || height !== this.plot.height)) {
        this.plot.setSize({ width, height });
      }
    }

    show(told) {
      this.told = told;
      this.plot.setData(this.data());
      this.whole.hidden = zoom === null;
    }

    // Every line has points of its own; uPlot wants one column of x for all.
    data() {
      return uPlot.join(this.told.lines.map((line) => [line.x, line.y]));
    }

    // Where x ends, named while all of it is shown.
    get end() {
      return zoom === null ? this.told.x[1] : NaN;
    }

    get shown() {
      return zoom ?? this.told.x;
    }

    options(frame) {
      const isSmall = this.height < SMALL;
      const font = `13px ${getComputedStyle(frame).fontFamily}`;
      const chart = this;
      return {
        width: Math.max(80, frame.clientWidth - paddings(frame).x),
        height: this.height,
        padding: [isSmall ? 10 : 28, 8, 0, 0],
        legend: { show: false },
        scales: {
          x: { time: false, range: () => chart.shown },
          y: { distr: this.told.log ? 3 : 1, range: () => chart.told.y },
        },
        axes: [
          {
            stroke: () => colour("--ink-3"),
            font,
            size: isSmall ? 26 : 34,
            gap: isSmall ? 6 : 12,
            grid: { show: false },
            ticks: { show: false },
            splits: (u) => xTicks(chart.told.axis, chart.shown, Math.max(3, u.width / 130)),
            // The last one ends at its tick instead of hanging over: drawEnd writes it.
            values: (u, splits) =>
              splits.map((at) => (at === chart.end ? "" : axisWords(chart.told.axis, at))),
          },
          {
            stroke: () => colour("--ink-3"),
            font,
            size: 48,
            gap: 10,
            grid: { stroke: () => colour("--line"), width: 1 },
            ticks: { show: false },
            splits: () => chart.yTicks().map(([at]) => at),
            values: () => chart.yTicks().map(([, words]) => words),
            filter: (u, splits) => splits,
          },
        ],
        series: [{}, ...this.told.lines.map((line) => seriesOf(line))],
        cursor: {
          sync: { key: "run", setSeries: false },
          drag: { x: true, y: false, setScale: false },
          points: { size: 7 },
          bind: { dblclick: () => () => (zoomTo(null), null) },
          // Each line shows its own nearest point, also where only another one has a value.
          dataIdx: (u, index, closest, x) => chart.nearest(u, index, closest, x),
        },
        hooks: {
          draw: [(u) => chart.drawMarks(u)],
          setCursor: [(u) => chart.tell(u)],
          setSelect: [(u) => chart.choose(u)],
        },
      };
    }

    // The server's ticks: few where there is room for few.
    yTicks() {
      return this.height < SMALL ? this.told.few_ticks : this.told.ticks;
    }

    nearest(u, index, closest, x) {
      if (index === 0) return closest;
      const ys = u.data[index];
      const xs = u.data[0];
      let before = closest;
      let after = closest;
      while (before >= 0 && ys[before] == null) before -= 1;
      while (after < ys.length && ys[after] == null) after += 1;
      if (before < 0) return after < ys.length ? after : null;
      if (after >= ys.length) return before;
      return Math.abs(xs[before] - x) <= Math.abs(xs[after] - x) ? before : after;
    }

    tell(u) {
      const newest = this.frame?.closest(".panel")?.querySelector(".newest");
      const index = u.cursor.idx;
      if (index == null || u.cursor.left < 0) {
        this.box.hidden = true;
        if (newest?.dataset.newest) newest.textContent = newest.dataset.newest;
        return;
      }
      const told = this.told.lines.map((line, number) => {
        const at = u.cursor.idxs[number + 1];
        return [line.label, at == null ? null : u.data[number + 1][at]];
      });
      if (newest && told[0][1] != null) {
        newest.dataset.newest ??= newest.textContent;
        newest.textContent = valueWords(this.told.unit, told[0][1]);
      }
      // Charts whose cursor only follows show their value in their head.
      this.box.hidden = !this.plot.root.matches(":hover");
      if (this.box.hidden) return;
      const head = document.createElement("strong");
      head.textContent = heading(this.told.axis, u.data[0][index]);
      const rows = told.filter(([, value]) => value != null).map(([label, value]) => {
        const row = document.createElement("span");
        const figure = document.createElement("b");
        figure.textContent = valueWords(this.told.unit, value);
        row.append(label, figure);
        return row;
      });
      this.box.replaceChildren(head, ...rows);
      const { left, top } = u.cursor;
      const isRight = left > u.over.clientWidth - this.box.offsetWidth - 24;
      const x = isRight ? left - this.box.offsetWidth - 12 : left + 12;
      const y = Math.max(0, Math.min(top - 12, u.over.clientHeight - this.box.offsetHeight));
      this.box.style.transform = `translate(${Math.round(Math.max(0, x))}px, ${Math.round(y)}px)`;
    }

    choose(u) {
      const { left, width } = u.select;
      if (width < 4) return;
      const range = [u.posToVal(left, "x"), u.posToVal(left + width, "x")];
      u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      zoomTo(range);
    }

    drawMarks(u) {
      const { ctx, bbox } = u;
      const dot = uPlot.pxRatio;
      ctx.save();
      ctx.font = `${13 * dot}px ${getComputedStyle(this.plot.root).fontFamily}`;
      ctx.lineWidth = dot;
      ctx.setLineDash([]);
      this.drawEnd(u);
      if (u.width / Math.max(1, this.told.epochs.length) > 70) {
        for (const [at, words] of this.told.epochs) {
          const x = Math.round(u.valToPos(at, "x", true));
          if (x < bbox.left || x > bbox.left + bbox.width + 1) continue;
          line(ctx, colour("--line-strong"), x, bbox.top, x, bbox.top + bbox.height);
          write(ctx, colour("--ink-3"), words, x - 6 * dot, bbox.top - 8 * dot);
        }
      }
      if (this.told.limit) {
        const y = u.valToPos(this.told.limit.value, "y", true);
        const right = bbox.left + bbox.width;
        ctx.setLineDash([5 * dot, 4 * dot]);
        ctx.lineWidth = 1.4 * dot;
        line(ctx, colour("--bad"), bbox.left, y, right, y);
        ctx.setLineDash([]);
        const isLow = y > bbox.top + bbox.height - 20 * dot;
        write(ctx, colour("--bad"), this.told.limit.text, right, y + (isLow ? -6 : 16) * dot);
      }
      this.told.lines.forEach((each, number) => this.drawPoints(u, each, number + 1));
      if (this.told.best) {
        const x = u.valToPos(this.told.best.x, "x", true);
        const y = u.valToPos(this.told.best.y, "y", true);
        if (x >= bbox.left && x <= bbox.left + bbox.width) {
          ctx.textAlign = "center";
          ctx.font = `600 ${ctx.font}`;
          ctx.fillStyle = colour("--ink");
          ctx.fillText(this.told.best.text, x, y - 12 * dot);
        }
      }
      ctx.restore();
    }

    drawEnd(u) {
      if (zoom !== null) return;
      const { ctx, bbox } = u;
      const dot = uPlot.pxRatio;
      const y = bbox.top + bbox.height + (this.height < SMALL ? 6 : 12) * dot;
      const words = axisWords(this.told.axis, this.end);
      write(ctx, colour("--ink-3"), words, bbox.left + bbox.width, y, "top");
    }

    // Evaluations as diamonds, and the newest smoothed value as a dot.
    drawPoints(u, told, index) {
      const { ctx, bbox } = u;
      const dot = uPlot.pxRatio;
      const place = (number) => [
        u.valToPos(told.x[number], "x", true),
        u.valToPos(told.y[number], "y", true),
      ];
      const isInside = (x) => x >= bbox.left - dot && x <= bbox.left + bbox.width + dot;
      if (told.role === "eval" && told.x.length <= MAX_DIAMONDS) {
        ctx.fillStyle = colour("--eval");
        told.x.forEach((_, number) => {
          const [x, y] = place(number);
          if (told.y[number] == null || !isInside(x)) return;
          ctx.beginPath();
          ctx.moveTo(x, y - 5 * dot);
          ctx.lineTo(x + 5 * dot, y);
          ctx.lineTo(x, y + 5 * dot);
          ctx.lineTo(x - 5 * dot, y);
          ctx.fill();
        });
      }
      if (told.role === "smooth" && told.x.length) {
        const [x, y] = place(told.x.length - 1);
        if (!isInside(x)) return;
        ctx.fillStyle = colour("--water");
        ctx.beginPath();
        ctx.arc(x, y, 4 * dot, 0, 2 * Math.PI);
        ctx.fill();
      }
    }

    remove() {
      this.observer.disconnect();
      this.plot.destroy();
    }
  }

  function seriesOf(line) {
    const style = LINE_STYLES[line.role];
    return {
      label: line.label,
      stroke: () => colour(style.colour),
      width: style.width,
      dash: style.dash,
      spanGaps: false,
      points: { show: false },
    };
  }

  function paddings(frame) {
    const style = getComputedStyle(frame);
    return {
      x: parseFloat(style.paddingLeft) + parseFloat(style.paddingRight),
      y: parseFloat(style.paddingTop) + parseFloat(style.paddingBottom),
    };
  }

  function line(ctx, stroke, x1, y1, x2, y2) {
    ctx.strokeStyle = stroke;
    ctx.beginPath();
    ctx.moveTo(x1, y1);
    ctx.lineTo(x2, y2);
    ctx.stroke();
  }

  function write(ctx, fill, words, x, y, baseline = "alphabetic") {
    ctx.fillStyle = fill;
    ctx.textAlign = "right";
    ctx.textBaseline = baseline;
    ctx.fillText(words, x, y);
  }

  // ---- All charts ----

  function zoomTo(range) {
    zoom = range;
    for (const chart of charts.values()) {
      chart.whole.hidden = zoom === null;
      chart.plot.setData(chart.plot.data);
    }
    // The steps in between: the points at hand may each stand for many.
    load(frames());
  }

  const frames = () => [...document.querySelectorAll(".chart[data-points]")];

  // One question for all charts of the page.
  function address(wanted) {
    const url = new URL(wanted[0].dataset.points, location.href);
    url.searchParams.set("only", wanted.map((frame) => frame.dataset.chart).join(","));
    const first = [...charts.values()][0];
    if (zoom !== null && first) {
      const [low, high] = stepsOf(first.told, zoom);
      url.searchParams.set("from_step", low);
      url.searchParams.set("to_step", high);
    }
    return url;
  }

  // The steps that lie on a part of x, with a little on both sides.
  function stepsOf(told, [low, high]) {
    const { x, step } = told.lines.reduce((a, b) => (b.x.length > a.x.length ? b : a));
    const steps = step.length ? step : x;
    const inside = steps.filter((_, number) => x[number] >= low && x[number] <= high);
    const before = steps.findLast((_, number) => x[number] < low) ?? 0;
    const after = steps.find((_, number) => x[number] > high) ?? inside.at(-1) ?? before + 1;
    return [Math.floor(before), Math.max(Math.floor(before) + 1, Math.ceil(after))];
  }

  async function load(wanted) {
    if (!wanted.length) return;
    const url = address(wanted).href;
    const asked = zoom;
    let found;
    try {
      const response = await fetch(url, { cache: "no-cache", credentials: "same-origin" });
      if (!response.ok || response.redirected) return;
      const etag = response.headers.get("ETag");
      if (etags.get(url) === etag && wanted.every((frame) => isHeld(frame))) return;
      found = (await response.json()).charts;
      etags.clear();
      etags.set(url, etag);
    } catch {
      // The drawing, or the chart as it was, stays; the next look asks again.
      return;
    }
    if (asked !== zoom) return;
    for (const frame of wanted) {
      const told = found[frame.dataset.chart];
      if (told && frame.isConnected) show(frame, told);
    }
  }

  const isHeld = (frame) => charts.get(frame.dataset.chart)?.frame === frame;

  function show(frame, told) {
    const chart = charts.get(frame.dataset.chart);
    const isSame = chart && isHeld(frame) && chart.url === frame.dataset.points;
    if (isSame && chart.told.lines.length === told.lines.length && chart.told.log === told.log) {
      chart.show(told);
      return;
    }
    chart?.remove();
    charts.set(frame.dataset.chart, new Chart(frame, told));
  }

  // Charts of frames that were replaced move to the new ones, with their zoom; the rest end.
  function adopt() {
    const now = frames();
    if (!now.length && !charts.size) return;
    for (const frame of now) {
      const chart = charts.get(frame.dataset.chart);
      if (chart && chart.frame !== frame && chart.url === frame.dataset.points) chart.mount(frame);
    }
    for (const [name, chart] of charts) {
      if (chart.frame.isConnected) continue;
      chart.remove();
      charts.delete(name);
    }
    if (now.some((frame) => !isHeld(frame) || frame.dataset.fresh !== "no")) load(now);
    for (const frame of now) frame.dataset.fresh = "no";
  }

  document.documentElement.classList.add("has-scripts");
  document.addEventListener("htmx:afterSwap", adopt);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const chart of charts.values()) chart.plot.redraw(false);
  });
  // Canvas takes a font only once it is there.
  document.fonts.ready.then(adopt);
})();
