// The log follows its newest line until somebody scrolls up; then it says how many have come.

const MOST_LINES = 2000;
const NEAR = 24;

const well = document.querySelector("#log-well");
const button = document.querySelector("#log-new");
const lines = document.querySelector("#log-lines");

if (well && button && lines) {
  let follows = Boolean(document.querySelector(".log-follow"));
  let unseen = 0;

  const toTheEnd = () => {
    well.scrollTop = well.scrollHeight;
  };

  const show = () => {
    button.hidden = unseen === 0;
    button.textContent = unseen === 1 ? "1 new line" : `${unseen} new lines`;
  };

  // Reading the start of a page must not be disturbed by what is thrown away above it.
  const dropOldest = () => {
    const all = lines.querySelectorAll(".line");
    for (let i = 0; i < all.length - MOST_LINES; i += 1) all[i].remove();
  };

  well.addEventListener("scroll", () => {
    follows = well.scrollHeight - well.scrollTop - well.clientHeight < NEAR;
    if (follows) unseen = 0;
    show();
  });

  const count = () => lines.querySelectorAll(".line").length;
  let seen = count();
  // Told once for each element that came, and for other parts of the page too.
  document.body.addEventListener("htmx:afterSettle", () => {
    const came = count() - seen;
    if (came <= 0) return;
    if (follows) {
      dropOldest();
      toTheEnd();
    } else {
      unseen += came;
      show();
    }
    seen = count();
  });

  button.addEventListener("click", () => {
    unseen = 0;
    follows = true;
    show();
    toTheEnd();
    well.focus({ preventScroll: true });
  });

  if (follows) toTheEnd();
}
