import type { IncomingHttpHeaders } from 'node:http';
import { sendRequest, type AppAnswer } from './http-exchange.js';

/** What the application showed inside a frame of the portal. */
export class FramePage {
  constructor(
    private readonly url: string,
    private readonly portalOrigin: string,
    private readonly answer: AppAnswer,
    private readonly finishInstall: () => void,
  ) {}

  get status(): number {
    return this.answer.status;
  }

  get headers(): IncomingHttpHeaders {
    return this.answer.headers;
  }

  get html(): string {
    return this.answer.body;
  }

  /** Whether a browser would show the page in the portal: no X-Frame-Options, and `frame-ancestors` absent or naming the portal. */
  get frameable(): boolean {
    if (this.headers['x-frame-options'] !== undefined) return false;
    const policy = this.headers['content-security-policy'];
    const ancestors = /(?:^|;)\s*frame-ancestors\s+([^;]*)/i.exec(typeof policy === 'string' ? policy : '')?.[1];
    return (
      ancestors === undefined ||
      ancestors
        .split(/\s+/)
        .some(
          (source) => source === '*' || source === this.portalOrigin || source === new URL(this.portalOrigin).protocol,
        )
    );
  }

  /**
   * Does what the page's call of `BX24.installFinish()` does. Throws when neither the page nor a script it loads from its
   * own origin makes that call, or when a browser would not show the page at all.
   */
  async runInstallFinish(): Promise<void> {
    if (this.status !== 200) throw new Error(`The installation page answered ${this.status}.`);
    if (!this.frameable) throw new Error('The browser refuses to show this page in a frame of the portal.');
    if (!(await this.callsInstallFinish())) throw new Error('The installation page never calls BX24.installFinish().');
    this.finishInstall();
  }

  private async callsInstallFinish(): Promise<boolean> {
    const call = /BX24\s*\.\s*installFinish\s*\(/;
    if (call.test(this.html)) return true;
    for (const [, source] of this.html.matchAll(/<script\b[^>]*\bsrc\s*=\s*["']?([^"'\s>]+)/gi)) {
      const script = new URL(source ?? '', this.url);
      if (script.origin === new URL(this.url).origin && call.test((await sendRequest(script.href)).body)) return true;
    }
    return false;
  }
}
