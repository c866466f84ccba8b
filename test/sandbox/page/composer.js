import { byId } from './dom.js';
import { upload } from './server.js';
import { text } from './texts.js';

/**
 * Where one side writes: Enter sends, Shift+Enter begins a new line, Esc leaves a reply or an edit. Files go at once,
 * with the words typed so far.
 */
export class Composer {
  /** { kind: 'reply' | 'edit', id, words }: what the next words are for; null: a message of its own. */
  mode = null;

  /**
   * @param name `telegram` or `bitrix24`, prefix of the ids on the page
   * @param send gets (words, ids of files, mode) and resolves with null when it could not be done
   * @param prepare makes of a chosen file what is uploaded
   */
  constructor(name, send, prepare = (file) => file) {
    this.name = name;
    this.send = send;
    this.prepare = prepare;
    this.form = byId(`${name}-form`);
    this.input = byId(`${name}-text`);
    this.banner = byId(`${name}-mode`);
    this.listen();
  }

  begin(mode) {
    if (mode.kind === 'edit') this.write(mode.words);
    this.setMode(mode);
    this.input.focus();
  }

  leave() {
    if (this.mode?.kind === 'edit') this.write('');
    this.setMode(null);
  }

  /** Shows again what the mode is, e.g. in another language. */
  showMode() {
    this.banner.hidden = this.mode === null;
    if (!this.mode) return;
    const label = text(this.mode.kind === 'edit' ? 'editing' : 'replying');
    this.banner.firstElementChild.textContent = `${label} ${this.mode.words}`;
  }

  async submit(files = []) {
    const words = this.input.value;
    const mode = this.mode;
    if (words.trim() === '' && files.length === 0) return;
    this.write('');
    this.setMode(null);
    if ((await this.send(words, files, mode)) === null && this.input.value === '') {
      this.write(words);
      this.setMode(mode);
    }
    const messages = byId(`${this.name}-messages`);
    messages.scrollTop = messages.scrollHeight;
  }

  setMode(mode) {
    this.mode = mode;
    this.showMode();
  }

  write(words) {
    this.input.value = words;
    this.grow();
  }

  grow() {
    this.input.rows = Math.min(6, this.input.value.split('\n').length);
  }

  listen() {
    this.input.addEventListener('input', () => this.grow());
    this.form.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.leave();
    });
    this.input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.form.requestSubmit();
    });
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.submit();
    });
    this.banner.querySelector('button').addEventListener('click', () => this.leave());
    for (const button of this.form.querySelectorAll('[data-files]')) {
      button.addEventListener('click', () => void this.submit(button.dataset.files.split(' ')));
    }
    const chooser = this.form.querySelector('input[type=file]');
    this.form.querySelector('[data-choose]').addEventListener('click', () => chooser.click());
    chooser.addEventListener('change', () => void this.submitChosen(chooser));
  }

  async submitChosen(chooser) {
    const chosen = [...chooser.files];
    chooser.value = '';
    const ids = await Promise.all(chosen.map(async (file) => upload(await this.prepare(file), file.name)));
    if (ids.length > 0 && !ids.includes(null)) await this.submit(ids);
  }
}

const PHOTO_SIDE = 1280;

/** A picture as the Telegram app sends it: a JPEG of at most 1280 pixels; what is no picture stays as it is. */
export async function asPhoto(file) {
  if (!/^image\/(jpeg|png|webp)$/.test(file.type)) return file;
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return file;
  const scale = Math.min(1, PHOTO_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? file), 'image/jpeg', 0.87));
}
