import { byId } from './dom.js';
import { text } from './texts.js';

let toastTimer;

/** Tells the person something for five seconds. */
export function say(words) {
  const toast = byId('toast');
  toast.textContent = words;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (toast.hidden = true), 5000);
}

/** Performs an action; null when it could not be done, which the person is told. */
export const act = (name, body = {}) =>
  post(`/actions/${name}`, { 'content-type': 'application/json' }, JSON.stringify(body));

/** Hands over a file from the disk; its id, or null as {@link act}. */
export async function upload(file, name = file.name) {
  const headers = {
    'content-type': file.type || 'application/octet-stream',
    'x-file-name': encodeURIComponent(name),
  };
  return (await post('/uploads', headers, file))?.id ?? null;
}

async function post(path, headers, body) {
  try {
    const response = await fetch(path, { method: 'POST', headers, body });
    const answer = await response.json();
    if (response.ok) return answer;
    say(answer.error);
  } catch {
    say(text('lost'));
  }
  return null;
}
