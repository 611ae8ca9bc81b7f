// Filters cards and rows, sorts tables, copies what is to be copied. Without this file everything is there, unfiltered, in its
// own order, and can be marked by hand.
(function () {
  "use strict";

  function filter(box) {
    var input = box.querySelector("input");
    var found = box.querySelector("output");
    var all = Array.prototype.map.call(document.querySelectorAll(input.dataset.of), function (node) {
      var link = node.querySelector("a");
      var words = [node.textContent, link ? link.getAttribute("href") : ""];
      for (var one = node; one; one = one.parentElement) words.push(one.dataset.words || "");
      return { node: node, text: words.join(" ").toLowerCase().replace(/\s+/g, " ") };
    });
    var groups = document.querySelectorAll("[data-group]");
    function apply() {
      var words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      var phrase = words.join(" ");
      var shown = 0;
      all.forEach(function (one) {
        var fits = one.text.includes(phrase) || words.every(function (word) { return one.text.includes(word); });
        one.node.hidden = !fits;
        shown += fits;
      });
      groups.forEach(function (group) {
        group.hidden = words.length > 0 && !group.querySelector("[data-card]:not([hidden])");
      });
      found.textContent = words.length ? shown + " of " + all.length : "";
    }
    input.addEventListener("input", apply);
    box.hidden = false;
    apply();
  }

  // Numbers by their size, before texts; texts as people order them, run2 before run10.
  function compare(first, second) {
    var one = parseFloat(first), other = parseFloat(second);
    if (isNaN(one) !== isNaN(other)) return isNaN(one) ? 1 : -1;
    if (!isNaN(one) && one !== other) return one - other;
    return first.localeCompare(second, "en", { numeric: true });
  }

  function sortable(table) {
    var heads = table.querySelectorAll("thead th");
    heads.forEach(function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        table.querySelectorAll("tbody").forEach(function (body) {
          var rows = Array.prototype.slice.call(body.rows);
          rows.sort(function (first, second) {
            var order = compare(first.cells[column].textContent.trim(), second.cells[column].textContent.trim());
            return down ? -order : order;
          });
          rows.forEach(function (row) { body.appendChild(row); });
        });
      });
    });
  }

  function copies(button) {
    button.hidden = false;
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent).then(function () {
        button.textContent = "Copied";
      });
    });
  }

  document.querySelectorAll(".filter").forEach(filter);
  document.querySelectorAll("table[data-sortable]").forEach(sortable);
  if (navigator.clipboard) document.querySelectorAll("[data-copies]").forEach(copies);
})();
