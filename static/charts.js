// Where scripts run, uPlot takes over the drawn charts: values under the pointer, zoom by drag, and
// cursors that move together. What is drawn comes from the server, in the same words as the SVG.

(() => {
  const { Chart } = window.slipwayCharts;
  const LAST_STEP = 2 ** 31 - 1;
  // The charts on this page by name, the part of x that all of them show, and the answer held.
  const charts = new Map();
  const board = { zoom: null, zoomTo };
  const etags = new Map();

  function zoomTo(range) {
    board.zoom = range;
    for (const chart of charts.values()) {
      chart.whole.hidden = board.zoom === null;
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
    if (board.zoom !== null && first) {
      const [low, high] = stepsOf(first.told, board.zoom);
      url.searchParams.set("from_step", low);
      url.searchParams.set("to_step", high);
    }
    return url;
  }

  // The steps that lie on a part of x, with a little on both sides.
  function stepsOf(told, [low, high]) {
    const { x, step } = told.lines.reduce((a, b) => (b.x.length > a.x.length ? b : a));
    const steps = step.length ? step : x;
    const before = steps.findLast((_, number) => x[number] < low) ?? 0;
    // Where nothing lies beyond yet, all that is still to come belongs to it.
    const after = steps.find((_, number) => x[number] > high) ?? LAST_STEP;
    return [Math.floor(before), Math.ceil(after)];
  }

  async function load(wanted) {
    if (!wanted.length) return;
    const url = address(wanted).href;
    const asked = board.zoom;
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
    if (asked !== board.zoom) return;
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
    const drawing = [...frame.querySelectorAll("svg")].find((each) => each.clientHeight > 0);
    const height = Math.round(drawing?.clientHeight ?? chart?.height ?? 240);
    chart?.remove();
    charts.set(frame.dataset.chart, new Chart(frame, told, { board, height }));
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
