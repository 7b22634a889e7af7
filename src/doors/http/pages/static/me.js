// Copies what is already on the page; everything else works without this.
(function () {
  "use strict";
  document.querySelectorAll("[data-copy]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () {
      var field = document.getElementById(button.getAttribute("data-copy"));
      field.select();
      var copied = document.execCommand("copy");
      if (copied) { button.textContent = button.getAttribute("data-done"); }
    });
  });
})();
