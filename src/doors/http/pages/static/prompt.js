/* Keys of the prompt page, and the message to the order screen. The page works without it. */
(function () {
  'use strict';

  var tell = document.getElementById('outcome');
  if (tell && tell.dataset.origin) {
    var receiver = window.parent !== window ? window.parent : window.opener;
    if (receiver) { receiver.postMessage(JSON.parse(tell.dataset.outcome), tell.dataset.origin); }
  }

  var lines = Array.prototype.slice.call(document.querySelectorAll('.line'));
  var current = null;

  function all(root, selector) { return Array.prototype.slice.call(root.querySelectorAll(selector)); }
  function isOpen(line) { return line.hasAttribute('data-open'); }

  function pick(line, quietly) {
    if (current) { current.classList.remove('current'); }
    current = line;
    if (!line) { return; }
    line.classList.add('current');
    if (!quietly) { line.scrollIntoView({ block: 'nearest' }); }
  }

  function shown(element) { return element && element.offsetParent !== null; }
  function declining(line) { var panel = line && line.querySelector('details.decline'); return panel && panel.open ? panel : null; }
  function waiting(panel) { return all(panel, 'details.reason').filter(function (one) { return one.open; })[0] || null; }

  function keyOf(event) {
    var match = /^(?:Digit|Numpad)([0-9])$|^Key([A-Z])$/.exec(event.code || '');
    return match ? match[1] || match[2] : (event.key || '').toUpperCase();
  }

  function openReason(reason, panel) {
    all(panel, 'details.reason').forEach(function (one) { one.open = one === reason; });
    var field = reason.querySelector('textarea') || reason.querySelector('button, input');
    if (field) { field.focus(); }
  }

  function declineKey(panel, key) {
    var reason = waiting(panel);
    if (reason && !reason.querySelector('textarea')) {
      var choice = reason.querySelector('[data-choice="' + key + '"]');
      if (choice) { choice.click(); return true; }
    }
    var found = all(panel, '[data-reason]').filter(function (one) { return one.getAttribute('data-reason') === key; })[0];
    if (!found) { return false; }
    if (found.tagName === 'DETAILS') { openReason(found, panel); } else { found.click(); }
    return true;
  }

  function back() {
    var panel = declining(current);
    if (!panel) { return false; }
    var reason = waiting(panel);
    if (reason) { reason.open = false; } else { panel.open = false; }
    if (document.activeElement) { document.activeElement.blur(); }
    return true;
  }

  function move(step) {
    var place = lines.indexOf(current) + step;
    if (place >= 0 && place < lines.length) { pick(lines[place]); return true; }
    return false;
  }

  function act(key) {
    var panel = declining(current);
    if (panel) { return declineKey(panel, key); }
    if (/^[1-9]$/.test(key)) {
      var line = lines[Number(key) - 1];
      if (line) { pick(line); }
      return Boolean(line);
    }
    if (key === 'ARROWDOWN') { return move(1); }
    if (key === 'ARROWUP') { return move(-1); }
    if (!current) { return false; }
    if (key === 'O') {
      var link = current.querySelector('a[data-original]');
      if (shown(link)) { link.click(); }
      return shown(link);
    }
    if (key === 'D') {
      var decline = current.querySelector('details.decline');
      if (!decline) { return false; }
      decline.open = true;
      decline.scrollIntoView({ block: 'nearest' });
      return true;
    }
    var button = current.querySelector('button[data-key="' + key + '"]');
    if (button) { button.click(); }
    return Boolean(button);
  }

  document.addEventListener('keydown', function (event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.isComposing) { return; }
    var writes = /^(TEXTAREA|SELECT)$/.test(event.target.tagName) ||
      (event.target.tagName === 'INPUT' && !/^(checkbox|radio)$/.test(event.target.type));
    if (event.key === 'Escape') { if (back()) { event.preventDefault(); } return; }
    if (writes) {
      if (event.key === 'Enter' && !event.shiftKey) {
        var reason = event.target.closest('details.reason');
        var submit = reason && reason.querySelector('button[name="act"]');
        if (submit) { event.preventDefault(); submit.click(); }
      }
      return;
    }
    var key = keyOf(event);
    if (/^(ENTER|TAB| )$/.test(key)) { return; }
    if (act(key)) { event.preventDefault(); }
  });

  function complain(field) {
    var holder = field.closest('.field');
    var error = holder.querySelector('.error');
    if (!error) {
      error = document.createElement('p');
      error.className = 'error';
      error.setAttribute('role', 'alert');
      field.parentNode.insertBefore(error, field.nextSibling);
    }
    error.textContent = field.getAttribute('data-needed');
    holder.classList.add('wrong');
    field.focus();
  }

  lines.forEach(function (line) {
    line.addEventListener('focusin', function () { if (current !== line) { pick(line, true); } });
    all(line, 'button[name="act"]').forEach(function (button) {
      button.addEventListener('click', function (event) {
        var reason = button.closest('details.reason');
        var field = reason && reason.querySelector('textarea[data-needed]');
        if (field && !field.value.trim()) { event.preventDefault(); complain(field); }
      });
    });
    var form = line.querySelector('form');
    if (!form) { return; }
    var sent = false;
    form.addEventListener('submit', function (event) {
      if (sent) { event.preventDefault(); }
      sent = true;
      line.classList.add('sending');
    });
    window.addEventListener('pageshow', function () { sent = false; line.classList.remove('sending'); });
  });

  var wrong = document.querySelector('.field.wrong textarea, .field.wrong button, .banner.loud');
  var start = wrong ? wrong.closest('.line') : null;
  pick(start || lines.filter(isOpen)[0] || lines[0] || null, !wrong && !location.hash);
  if (wrong && wrong.focus) { wrong.focus(); }
})();
