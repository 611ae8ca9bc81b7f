// Buttons that copy what stands below them. Without this file it can be marked by hand.
(function () {
  "use strict";
  if (!navigator.clipboard) return;
  document.querySelectorAll("[data-copies]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent).then(function () {
        button.textContent = "Copied";
      });
    });
  });
})();
// Filters the cards of the start page. Without this file everything is there, unfiltered.
(function () {
  "use strict";
  var box = document.querySelector(".filter");
  if (!box) return;
  var input = box.querySelector("input");
  var found = box.querySelector("output");
  var cards = Array.prototype.map.call(document.querySelectorAll("[data-card]"), function (card) {
    var group = card.closest("[data-words]");
    var text = card.textContent + " " + group.dataset.words + " " + card.querySelector("a").getAttribute("href");
    return { node: card, text: text.toLowerCase().replace(/\s+/g, " ") };
  });
  var groups = document.querySelectorAll("[data-group]");
  function filter() {
    var words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    var phrase = words.join(" ");
    var shown = 0;
    cards.forEach(function (card) {
      var fits = card.text.includes(phrase) || words.every(function (word) { return card.text.includes(word); });
      card.node.hidden = !fits;
      shown += fits;
    });
    groups.forEach(function (group) {
      group.hidden = words.length > 0 && !group.querySelector("[data-card]:not([hidden])");
    });
    found.textContent = words.length ? shown + " of " + cards.length : "";
  }
  input.addEventListener("input", filter);
  box.hidden = false;
  filter();
})();
