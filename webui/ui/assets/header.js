const at = name => element.querySelector(name);
at('.tagline').textContent = say('tagline');
at('.language').textContent = say('language'); at('.language').onclick = () => window.seedprintSwitchLanguage();
at('.theme').title = say('theme'); at('.theme').setAttribute('aria-label', say('theme'));
at('.theme').onclick = () => window.seedprintSwitchTheme();
const draw = () => { const value = props.value || {}; at('.state').dataset.state = value.state || '';
  at('.state').textContent = value.text || ''; };
draw(); watch('value', draw);
