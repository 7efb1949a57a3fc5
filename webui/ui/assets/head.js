// Runs before the page's own code. Gradio knows only whole language tags, so every kind of Chinese is made zh-CN here;
// a choice of language, or of light and dark, made before is kept. Python reads the language from the cookie.
(() => {
  const keep = localStorage, COOKIE = 'seedprint-language';
  const asked = keep.getItem(COOKIE) || navigator.language || 'en';
  const chinese = /^zh/i.test(asked);
  window.seedprintLanguage = chinese ? 'zh' : 'en';
  try {
    Object.defineProperty(navigator, 'language', {configurable: true, get: () => chinese ? 'zh-CN' : 'en'});
    Object.defineProperty(navigator, 'languages', {configurable: true, get: () => [chinese ? 'zh-CN' : 'en']});
  } catch (error) { /* then the browser's own language decides */ }
  document.cookie = COOKIE + '=' + window.seedprintLanguage + '; path=/; SameSite=Strict; max-age=31536000';
  window.seedprintSwitchLanguage = () => { keep.setItem(COOKIE, chinese ? 'en' : 'zh'); location.reload(); };
  const kept = () => keep.getItem('seedprint-theme');
  const dress = () => { if (kept()) document.body.classList.toggle('dark', kept() === 'dark'); };
  window.seedprintSwitchTheme = () => {
    keep.setItem('seedprint-theme', document.body.classList.contains('dark') ? 'light' : 'dark'); dress(); };
  addEventListener('DOMContentLoaded', () => { dress();  // gradio dresses the page by the system's wish, once it is up
    new MutationObserver(dress).observe(document.body, {attributes: true, attributeFilter: ['class']}); });
  // "Send to" opens a tab when the server has answered, however late: not when the person chose a tab meanwhile.
  let turns = 0, left = 0;
  document.addEventListener('click', event => {
    if (event.target.closest && event.target.closest('#frame .tab-wrapper, #frame .overflow-menu')) turns += 1; }, true);
  window.seedprintLeave = value => { left = turns; return value; };
  window.seedprintArrive = to => [{__type__: 'update', ...(to && turns === left ? {selected: to} : {})}, ''];
  document.addEventListener('keydown', event => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== 'Enter') return;
    const button = [...document.querySelectorAll('.generate-button')].find(one => one.offsetParent !== null);
    if (button) { event.preventDefault(); event.stopPropagation(); button.click(); }
  }, true);
})();
