const hint = element.querySelector('.drop-hint'), fault = element.querySelector('.drop-fault');
hint.querySelector('.text').textContent = options.words[language];
// places that take files themselves have said so by preventDefault when the event arrives here
const files = event => event.dataTransfer && [...event.dataTransfer.types].includes('Files');
let over = 0;
const show = on => { clearTimeout(over); hint.hidden = !on; if (on) over = setTimeout(() => { hint.hidden = true; }, 400); };
const gone = () => !element.isConnected;
const dragover = event => { if (gone()) return document.removeEventListener('dragover', dragover);
  if (!files(event)) return; show(!event.defaultPrevented); event.preventDefault(); };
const drop = async event => { if (gone()) return document.removeEventListener('drop', drop);
  show(false); if (!files(event) || event.defaultPrevented) return; event.preventDefault();
  const file = event.dataTransfer.files[0]; if (!file) return;
  fault.hidden = true; window.seedprintLeave();
  try { const {path} = await upload(file); props.value = {uploaded: path}; trigger('upload'); }
  catch (error) { fault.textContent = options.refused[language]; fault.hidden = false; } };
document.addEventListener('dragover', dragover); document.addEventListener('drop', drop);
watch('value', () => { const value = props.value || {}; fault.textContent = value.error || ''; fault.hidden = !value.error; });
