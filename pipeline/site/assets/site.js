// Filters cards and rows, sorts tables, copies what is to be copied, reads values off charts, and asks for the page of watch
// again. Without this file everything is there, unfiltered, in its own order, and can be marked by hand.
(function () {
  "use strict";

  // What a word asks for: one that is KEY=VALUE a param of that name, by its last part too, and of that value; any other
  // word stands somewhere in the text.
  function asks(word) {
    var at = word.indexOf("="), wanted = word.slice(at + 1);
    if (at < 1 || !wanted) return function (text) { return text.includes(word); };
    var param = new RegExp("(?:^|[\\s.])" + word.slice(0, at).replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + " (\\S+)", "g");
    wanted = { "true": "yes", "false": "no" }[wanted] || wanted;
    return function (text) {
      return Array.from(text.matchAll(param)).some(function (one) {
        var value = one[1].replace(/,$/, "");
        return value === wanted || Number(value) === Number(wanted);
      });
    };
  }

  function filter(box) {
    var input = box.querySelector("input");
    var found = box.querySelector("output");
    var none = input.dataset.none || "Nothing fits: take a word away; runs are found by their parameters under “Runs and data”";
    var all = Array.prototype.map.call(document.querySelectorAll(input.dataset.of), function (node) {
      var link = node.querySelector("a");
      var words = [node.textContent, link ? link.getAttribute("href") : ""];
      for (var one = node; one; one = one.parentElement) words.push(one.dataset.words || "");
      return { node: node, text: words.join(" ").toLowerCase().replace(/\s+/g, " ") };
    });
    var groups = document.querySelectorAll("[data-group]");
    function apply() {
      var words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      var phrase = words.join(" "), tests = words.map(asks);
      var shown = 0;
      all.forEach(function (one) {
        var fits = one.text.includes(phrase) || tests.every(function (test) { return test(one.text); });
        one.node.hidden = !fits;
        shown += fits;
      });
      groups.forEach(function (group) {
        group.hidden = words.length > 0 && !Array.prototype.some.call(group.querySelectorAll(input.dataset.of), function (node) {
          return !node.hidden;
        });
      });
      found.textContent = words.length ? shown + " of " + all.length + (shown ? "" : ". " + none + ".") : "";
    }
    // The address has what is typed, as that of watch has it, so that it can be sent and is there again on the way back.
    function keep() {
      var query = input.value.trim() ? "?find=" + encodeURIComponent(input.value.trim()).replace(/%3D/g, "=").replace(/%20/g, "+") : "";
      try { history.replaceState(null, "", location.pathname + query + location.hash); } catch (refused) { /* only a convenience */ }
    }
    input.addEventListener("input", function () { apply(); keep(); });
    input.value = new URLSearchParams(location.search).get("find") || "";
    box.hidden = false;
    apply();
  }

  // Numbers by their size, before texts; texts as people order them, run2 before run10. Where there is nothing comes last,
  // whichever way round.
  function compare(first, second, down) {
    var blank = /^[–\s]*$/, empty = [blank.test(first), blank.test(second)];
    if (empty[0] || empty[1]) return empty[0] - empty[1];
    var one = parseFloat(first), other = parseFloat(second), way = down ? -1 : 1;
    if (isNaN(one) !== isNaN(other)) return isNaN(one) ? way : -way;
    if (!isNaN(one) && one !== other) return way * (one - other);
    return way * first.localeCompare(second, "en", { numeric: true });
  }

  // The heads right above the cells, with their columns: those above them span several columns, others several lines of heads.
  function columns(table) {
    var found = [], taken = [], lines = table.tHead.rows;
    Array.prototype.forEach.call(lines, function (line, number) {
      var column = 0;
      taken[number] = taken[number] || [];
      Array.prototype.forEach.call(line.cells, function (head) {
        while (taken[number][column]) column++;
        for (var below = 0; below < head.rowSpan; below++) {
          taken[number + below] = taken[number + below] || [];
          for (var beside = 0; beside < head.colSpan; beside++) taken[number + below][column + beside] = true;
        }
        if (number + head.rowSpan >= lines.length) found.push({ head: head, column: column });
      });
    });
    return found;
  }

  function sortable(table) {
    var heads = columns(table), text = function (row, column) { return row.cells[column].textContent.trim().replace(/−/g, "-"); };
    heads.forEach(function (one) {
      var head = one.head, column = one.column;
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach(function (other) { other.head.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        table.querySelectorAll("tbody").forEach(function (body) {
          var rows = Array.prototype.slice.call(body.rows);
          rows.sort(function (first, second) { return compare(text(first, column), text(second, column), down); });
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

  // What stands in a chart at the epoch below the pointer. Charts may be replaced at any time, so the document listens;
  // returns what reads again where the pointer is.
  function readouts() {
    var last = null, box = document.createElement("div");
    box.className = "readout";
    box.hidden = true;
    document.body.appendChild(box);

    function points(line) {
      var found = [];
      line.querySelectorAll("path.mean:not([opacity])").forEach(function (path) {
        var seeds = (path.dataset.seeds || "").split(" ");
        path.getAttribute("d").split(/[ML]/).filter(Boolean).forEach(function (pair, place) {
          found.push(pair.split(" ").map(Number).concat(seeds[place] || line.dataset.of));
        });
      });
      line.querySelectorAll("circle.alone").forEach(function (dot) {
        found.push([Number(dot.getAttribute("cx")), Number(dot.getAttribute("cy")), dot.dataset.seeds || line.dataset.of]);
      });
      return found;
    }

    function value(axis, log, at) {
      var share = (at - axis[2]) / (axis[3] - axis[2]);
      return log ? axis[0] * Math.pow(axis[1] / axis[0], share) : axis[0] + share * (axis[1] - axis[0]);
    }

    // A mean of fewer seeds than the run has says so: where one has ended, the line goes on without it.
    function of(line, seeds) {
      return Number(seeds) < Number(line.dataset.of) ? " (" + seeds + " of " + line.dataset.of + " seeds)" : "";
    }

    function row(line, number) {
      var found = document.createElement("div");
      var mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      mark.setAttribute("viewBox", "0 0 26 10");
      mark.setAttribute("class", "swatch " + line.getAttribute("class").replace("line", "").replace("raised", ""));
      var path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("class", "mean");
      path.setAttribute("d", "M1 5H25");
      mark.appendChild(path);
      found.appendChild(mark);
      [["name", line.dataset.name], ["number", number]].forEach(function (part) {
        var span = document.createElement("span");
        span.className = part[0];
        span.textContent = part[1];
        found.appendChild(span);
      });
      return found;
    }

    function leave() {
      box.hidden = true;
      document.querySelectorAll(".raised").forEach(function (line) { line.classList.remove("raised"); });
      document.querySelectorAll(".lowered").forEach(function (chart) { chart.classList.remove("lowered"); });
    }

    function read() {
      var event = last, under = last && document.elementFromPoint(last.clientX, last.clientY);
      var chart = under && under.closest("svg.chart");
      leave();
      if (!chart) return;
      var matrix = chart.getScreenCTM();
      var px = (event.clientX - matrix.e) / matrix.a, py = (event.clientY - matrix.f) / matrix.d;
      var x = chart.dataset.x.split(" ").map(Number), y = chart.dataset.y.split(" ").map(Number);
      var log = "log" in chart.dataset;
      var rows = [];
      chart.querySelectorAll("g.line").forEach(function (line) {
        var best = null;
        points(line).forEach(function (point) {
          if (!best || Math.abs(point[0] - px) < Math.abs(best[0] - px)) best = point;
        });
        if (best && Math.abs(best[0] - px) < 40) rows.push({ line: line, at: best, away: Math.abs(best[1] - py) });
      });
      if (!rows.length) return;
      rows.sort(function (one, other) { return Math.abs(one.at[0] - px) - Math.abs(other.at[0] - px); });
      var epoch = value(x, false, rows[0].at[0]);
      rows.sort(function (one, other) { return one.away - other.away; });
      var near = rows[0];
      if (near.away < 14) { near.line.classList.add("raised"); chart.classList.add("lowered"); }
      rows = rows.slice(0, 8).sort(function (one, other) { return one.at[1] - other.at[1]; });
      box.textContent = "";
      var head = document.createElement("b");
      head.textContent = "epoch " + Number(epoch.toPrecision(3));
      box.appendChild(head);
      rows.forEach(function (one) { box.appendChild(row(one.line, value(y, log, one.at[1]).toPrecision(4).replace("-", "−") + of(one.line, one.at[2]))); });
      box.hidden = false;
      var left = event.clientX + 16, top = event.clientY + 16;
      if (left + box.offsetWidth > innerWidth - 8) left = Math.max(8, event.clientX - box.offsetWidth - 16);
      if (top + box.offsetHeight > innerHeight - 8) top = Math.max(8, event.clientY - box.offsetHeight - 16);
      box.style.left = left + "px";
      box.style.top = top + "px";
    }

    function forget() { last = null; leave(); }

    document.addEventListener("pointermove", function (event) { last = event; read(); });
    document.addEventListener("pointerdown", function (event) { last = event; read(); });
    document.documentElement.addEventListener("pointerleave", forget);
    document.addEventListener("scroll", read, { passive: true });
    return read;
  }

  // The page of watch: a choice goes into the address, and what the address shows is asked for again and again.
  function watch(form, read) {
    var EVERY = 2000, board = document.getElementById("board"), tag = "", asked = 0, seen = Date.now(), timer;
    form.querySelector("button[type=submit]").hidden = true;

    function address() {
      var found = {};
      new FormData(form).forEach(function (value, name) {
        if (value) found[name] = name in found ? found[name] + "," + value : value;
      });
      var query = Object.keys(found).map(function (name) {
        return name + "=" + encodeURIComponent(found[name]).replace(/%2C/g, ",").replace(/%3D/g, "=").replace(/%20/g, "+");
      }).join("&");
      return "/" + (query ? "?" + query : "");
    }

    function show(text) {
      var page = new DOMParser().parseFromString(text, "text/html"), found = page.getElementById("board");
      if (!found) return;
      var old = board.querySelector(".scroll"), left = old ? old.scrollLeft : 0;
      var folded = board.querySelector("details"), open = folded && folded.open;
      var focus = board.contains(document.activeElement) ? document.activeElement : null;
      board.replaceChildren.apply(board, Array.prototype.slice.call(found.childNodes));
      document.title = page.title;
      if (open && board.querySelector("details")) board.querySelector("details").open = true;
      read();
      if (board.querySelector(".scroll")) board.querySelector(".scroll").scrollLeft = left;
      if (focus && focus.name) {
        var again = Array.prototype.find.call(board.querySelectorAll("input"), function (one) {
          return one.name === focus.name && one.value === focus.value;
        });
        if (again) again.focus({ preventScroll: true });
      }
    }

    // In place of the state, until the next whole answer.
    function say(text) {
      tag = "";
      var state = board.querySelector(".state"), span = document.createElement("span");
      if (!state) return;
      span.className = "lost";
      span.textContent = text;
      state.replaceChildren(span);
    }

    function ask() {
      clearTimeout(timer);
      seen = Date.now();
      var mine = ++asked, begun = performance.now();
      fetch(location.pathname + location.search, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" })
        .then(function (answer) {
          if (answer.status === 304 || !answer.ok) return null;
          tag = answer.headers.get("ETag") || "";
          return answer.text();
        })
        .then(function (text) { if (text !== null && mine === asked) show(text); })
        .catch(function () { if (mine === asked) say("The server has ended or cannot be reached; this is what was seen last."); })
        .then(function () { if (mine === asked) timer = setTimeout(next, Math.max(EVERY, 10 * (performance.now() - begun))); });
    }

    function next() { if (document.hidden) timer = setTimeout(next, EVERY); else ask(); }

    function choose() {
      var to = address();
      if (to === location.pathname + location.search) return;
      history.pushState(null, "", to);
      tag = "";
      ask();
    }

    form.addEventListener("submit", function (event) { event.preventDefault(); choose(); });
    form.addEventListener("change", choose);
    var typing;
    form.addEventListener("input", function (event) {
      if (event.target.type !== "search") return;
      clearTimeout(typing);
      typing = setTimeout(choose, 300);
    });
    addEventListener("popstate", function () { location.reload(); });
    document.addEventListener("visibilitychange", function () {
      if (document.hidden || Date.now() - seen < 2 * EVERY) return;
      say("Reading what has happened since " + new Date(seen).toLocaleTimeString("en-GB") + "; this is what was seen then.");
      ask();
    });
    timer = setTimeout(next, EVERY);
  }

  var watched = document.querySelector("form[data-watch]");
  if (watched || document.querySelector("svg.chart")) {
    var read = readouts();
    if (watched) watch(watched, read);
  }
  document.querySelectorAll(".filter:not(form *)").forEach(filter);
  document.querySelectorAll("table[data-sortable]").forEach(sortable);
  if (navigator.clipboard) document.querySelectorAll("[data-copies]").forEach(copies);
})();
