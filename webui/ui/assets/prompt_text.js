// What can be done to a prompt's text. Plain functions of text; nothing here knows the page.
const promptText = (() => {
  const LETTER = /[\p{L}\p{N}_]/u, SIGN = /[?!.;~&]/, SLOT = '{prompt}';
  const lower = text => { const low = text.toLowerCase(); return low.length === text.length ? low : text; };
  const tidy = text => text.replace(/,(\s*,)+/g, ',').replace(/^[\s,]+|[\s,]+$/g, '');

  // Where a word stands by itself: "art" is not in "artgerm", "?" not in "??".
  const find = (text, word, from = 0) => {
    const low = lower(text), wanted = lower(word);
    const kind = LETTER.test(wanted[0]) || LETTER.test(wanted[wanted.length - 1]) ? LETTER : SIGN;
    for (let at = low.indexOf(wanted, from); at >= 0; at = low.indexOf(wanted, at + 1)) {
      const before = low[at - 1] || ' ', after = low[at + wanted.length] || ' ';
      if (!(kind.test(wanted[0]) && kind.test(before)) && !(kind.test(wanted[wanted.length - 1]) && kind.test(after))) return at;
    }
    return -1;
  };

  // Which of the words are in the text; longer ones first, so "side portrait" is not "portrait" as well.
  const found = (text, words) => {
    const result = new Set();
    for (const word of [...words].sort((one, other) => other.length - one.length)) {
      for (let at = find(text, word); at >= 0; at = find(text, word)) {
        result.add(word);
        text = text.slice(0, at) + '\0'.repeat(word.length) + text.slice(at + word.length);
      }
    }
    return result;
  };

  // joint: ", ", " " (to the end of the first phrase), "lead" (to the beginning) or "sign" (at the caret, without a blank)
  const add = (text, word, joint, caret = text.length) => {
    if (joint === 'sign') return text.slice(0, caret) + word + text.slice(caret);
    const rest = text.trim().replace(/,$/, '');
    if (!rest) return word;
    if (joint === ' ') { const comma = text.indexOf(','), end = comma < 0 ? text.length : comma;  // stays in the sentence
      return text.slice(0, end).trimEnd() + (text.slice(0, end).trim() ? ' ' : '') + word + text.slice(end); }
    return joint === 'lead' ? word + ' ' + text.trim() : rest + joint + word;
  };

  const remove = (text, word) => {
    let start = find(text, word), end = start + word.length;
    if (start < 0) return text;
    for (;;) {  // with the weight round it
      const close = /^\s*(:\s*[\d.]+\s*)?\)/.exec(text.slice(end)), open = text[start - 1];
      if (open === '(' && text[start - 2] !== '\\' && close) { start -= 1; end += close[0].length; }
      else if (open === '[' && text[end] === ']') { start -= 1; end += 1; }
      else break;
    }
    const before = text.slice(0, start), after = text.slice(end);
    if (!LETTER.test(word)) return before + after;
    if (/(^|,)\s*$/.test(before) && /^\s*(,|$)/.test(after)) {
      return [before.replace(/,?\s*$/, ''), after.replace(/^\s*,?\s*/, '')].filter(Boolean).join(', ');
    }
    const right = after.trimStart();
    return (before.trimEnd() + (/^[,.;:)\]]/.test(right) || !right ? '' : ' ') + right).trimStart();
  };

  // A1111's weights: "(words:1.1)". Without a selection: the weighted group, else the word, at the caret.
  const weigh = (text, start, end, step) => {
    if (start === end) {
      const group = [...text.matchAll(/\(([^()]*):\s*[\d.]+\)/g)].find(
        one => one.index <= start && start <= one.index + one[0].length);
      if (group) { start = group.index + 1; end = start + group[1].length; }
      else {
        while (start > 0 && /[\p{L}\p{N}_'-]/u.test(text[start - 1])) start -= 1;
        while (end < text.length && /[\p{L}\p{N}_'-]/u.test(text[end])) end += 1;
      }
    }
    const whole = /^\s*\(([^()]*):\s*[\d.]+\)\s*$/.exec(text.slice(start, end));
    if (whole) { start += text.slice(start, end).indexOf('(') + 1; end = start + whole[1].length; }
    while (start < end && /\s/.test(text[start])) start += 1;
    while (end > start && /\s/.test(text[end - 1])) end -= 1;
    if (start === end) return null;
    const words = text.slice(start, end), close = /^:\s*([\d.]+)\)/.exec(text.slice(end));
    const inside = close && text[start - 1] === '(' && text[start - 2] !== '\\';
    const weight = Math.min(5, Math.max(0, Number(((inside ? Number(close[1]) : 1) + step).toFixed(2))));
    const left = text.slice(0, inside ? start - 1 : start), right = text.slice(inside ? end + close[0].length : end);
    if (weight === 1) return {text: left + words + right, start: left.length, end: left.length + words.length};
    return {text: left + '(' + words + ':' + weight + ')' + right, start: left.length + 1, end: left.length + 1 + words.length};
  };

  // The phrase at the caret changes places with its neighbour. Commas within brackets part nothing.
  const move = (text, caret, step) => {
    const phrases = [''];
    let depth = 0, chosen = 0;
    [...text].reduce((place, character) => {
      if ('([{<'.includes(character)) depth += 1;
      if (')]}>'.includes(character)) depth = Math.max(0, depth - 1);
      if (character === ',' && depth === 0) phrases.push(''); else phrases[phrases.length - 1] += character;
      if (place + character.length <= caret) chosen = phrases.length - 1;
      return place + character.length;
    }, 0);
    const other = chosen + step, trimmed = phrases.map(one => one.trim());
    if (other < 0 || other >= trimmed.length) return null;
    [trimmed[chosen], trimmed[other]] = [trimmed[other], trimmed[chosen]];
    const start = trimmed.slice(0, other).reduce((sum, one) => sum + one.length + 2, 0);
    return {text: trimmed.join(', '), start, end: start + trimmed[other].length};
  };

  // Styles: a template round the words.
  const pieces = template => { const at = template.indexOf(SLOT);
    return at < 0 ? [tidy(template), ''] : [template.slice(0, at), template.slice(at + SLOT.length)].map(tidy); };
  const places = (text, template) => {
    const [before, after] = pieces(template), first = before ? text.indexOf(before) : 0;
    const last = after ? text.lastIndexOf(after) : text.length;
    return (before || after) && first >= 0 && last >= first + before.length ? [first, first + before.length, last, last + after.length] : null;
  };
  const wrap = (text, template) => {
    if (!template.includes(SLOT)) return text;
    const filled = template.split(SLOT).join(text.trim());
    return tidy(text.trim() ? filled : filled.replace(/\s+,/g, ','));
  };
  const unwrap = (text, template) => { const at = places(text, template);
    return at ? tidy(text.slice(0, at[0]) + text.slice(at[1], at[2]) + text.slice(at[3])).replace(/ {2,}/g, ' ') : text; };

  return {find, found, add, remove, weigh, move, wrap, unwrap, wrapped: (text, template) => places(text, template) !== null};
})();
window.seedprintText = promptText;
