import { htmlPage, type Exchange, type Reply } from './http-exchange.js';

/** A page with its own title, and the status that comes with it. */
export interface PageAnswer {
  status: number;
  title: string;
}

/**
 * What stands before the PHP of a portal: a web server with its limits, and perhaps a filter. All of them answer before
 * the application has seen the request, so nothing of it was performed.
 */
export class FrontEnd {
  /**
   * A web application firewall: it judges the words of one request, however they are encoded, and refuses it whole (403
   * or 406 by rule; https://github.com/owasp-modsecurity/ModSecurity/wiki/Reference-Manual-(v3.x)#secdefaultaction;
   * transformations decode before a rule looks: …#urldecodeuni).
   */
  filter: ({ words: RegExp } & PageAnswer) | null = null;
  /** Larger bodies are 413, nginx `client_max_body_size` (https://nginx.org/en/docs/http/ngx_http_core_module.html). */
  maxBodyBytes = Infinity;
  /** Every request gets this page: a licence that ended, a closed site (Bitrix24's cloud answers 403 with HTML then). */
  page: PageAnswer | null = null;
  /** Requests that the filter or the limit refused. */
  refused = 0;

  /** The page in place of an answer; undefined: the request may pass. */
  answer({ body, search }: Exchange): Reply | undefined {
    if (this.page !== null) return titled(this.page);
    if (body.length > this.maxBodyBytes) {
      this.refused += 1;
      return htmlPage(413, 'Request Entity Too Large');
    }
    if (this.filter?.words.test(decoded(`${search}\n${body.toString('utf8')}`))) {
      this.refused += 1;
      return titled(this.filter);
    }
    return undefined;
  }
}

function titled({ status, title }: PageAnswer): Reply {
  return {
    status,
    headers: { 'Content-Type': 'text/html; charset=utf-8' },
    body: `<!DOCTYPE html>\n<html><head>\n<title>${title}</title></head><body><h1>${title}</h1></body></html>`,
  };
}

/** Percent signs and plus signs undone where they mean something. */
function decoded(text: string): string {
  return text.replaceAll('+', ' ').replace(/(?:%[0-9a-f]{2})+/gi, (escaped) => {
    try {
      return decodeURIComponent(escaped);
    } catch {
      return escaped;
    }
  });
}
