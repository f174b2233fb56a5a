// One chart: uPlot in the place of a drawing, with what uPlot does not draw by itself.

((shared) => {
  const { axisWords, valueWords, heading, xTicks } = shared;
  const LINE_STYLES = {
    raw: { colour: "--water-mid", width: 1 },
    smooth: { colour: "--water", width: 2.25 },
    one: { colour: "--water", width: 1.6 },
    eval: { colour: "--eval", width: 1.4, dash: [4, 3] },
  };
  const MAX_DIAMONDS = 60;
  // Lower charts than this have little room around their plot.
  const SMALL = 220;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  class Chart {
    // ``board`` knows what part of x all charts show, and changes it; ``height`` is that of the
    // drawing that is replaced.
    constructor(frame, told, { board, height }) {
      this.board = board;
      this.url = frame.dataset.points;
      this.height = height;
      this.told = told;
      this.box = document.createElement("div");
      this.box.className = "chart-told";
      this.box.hidden = true;
      this.whole = document.createElement("button");
      this.whole.type = "button";
      this.whole.className = "chart-whole";
      this.whole.textContent = "See all";
      this.whole.hidden = this.board.zoom === null;
      this.whole.addEventListener("click", () => board.zoomTo(null));
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
      const { left, top } = this.plot.cursor;
      // Who points at a chart is told its new figures without moving.
      if (left >= 0) this.plot.setCursor({ left, top });
      this.whole.hidden = this.board.zoom === null;
    }

    // Every line has points of its own; uPlot wants one column of x for all.
    data() {
      return uPlot.join(this.told.lines.map((line) => [line.x, line.y]));
    }

    // Where x ends, named while all of it is shown.
    get end() {
      return this.board.zoom === null ? this.told.x[1] : NaN;
    }

    get shown() {
      return this.board.zoom ?? this.told.x;
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
            splits: (u) =>
              xTicks(chart.told.axis, chart.shown, {
                about: Math.max(3, u.width / 130),
                end: chart.board.zoom === null,
              }),
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
          // Other charts follow the pointer, but not what is chosen: that they learn from the board.
          sync: {
            key: "run",
            setSeries: false,
            filters: { pub: () => true, sub: (type) => /move|leave/.test(type) },
          },
          drag: { x: true, y: false, setScale: false },
          points: { size: 7 },
          bind: { dblclick: () => () => (chart.board.zoomTo(null), null) },
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
      this.board.zoomTo(range);
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
      if (this.board.zoom !== null) return;
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

  shared.Chart = Chart;
})(window.slipwayCharts);
