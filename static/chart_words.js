// The words and ticks of charts, as the server writes them beside its drawings.

window.slipwayCharts = (() => {
  const CLOCK_STEPS = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
  ];

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
    // Rounded up to the cent, as money is everywhere.
    if (unit === "USD") return `$${(Math.ceil(value * 100 - 1e-6) / 100).toFixed(2)}`;
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

  // Round numbers along x; with ``end`` also where the run ends, and nothing too near to it.
  function xTicks(axis, [low, high], { about, end }) {
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
      if (!end || high - at > step * 0.45) ticks.push(at);
    }
    if (end) ticks.push(high);
    return ticks;
  }

  return { axisWords, valueWords, heading, xTicks };
})();
