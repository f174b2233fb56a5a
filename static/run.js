// The tabs of a run, where they are wider than the screen: the current one is in view, and a
// refresh leaves them where they were pushed to.

const tabs = () => document.querySelector("#parts");

const showCurrent = () => {
  const current = tabs()?.querySelector("[aria-current]");
  if (!current) return;
  const end = current.offsetLeft + current.offsetWidth;
  if (end > tabs().clientWidth) tabs().scrollLeft = end - tabs().clientWidth + 48;
};

let left = 0;
document.body.addEventListener("htmx:beforeSwap", () => {
  left = tabs()?.scrollLeft ?? 0;
});
document.body.addEventListener("htmx:afterSwap", () => {
  if (tabs()) tabs().scrollLeft = left;
});

showCurrent();
