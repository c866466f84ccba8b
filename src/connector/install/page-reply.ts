import { randomBytes } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { contentSecurityPolicy } from '../pages/layout.js';

/** A page for a frame, and the one site that may show it. */
export interface FramePage {
  status: number;
  html: string;
  frameAncestor?: string | undefined;
  nonce?: string;
  /** Content-Security-Policy of a page of `web/`; others get that of our static pages. */
  policy?: string;
}

/** Sends a page of a frame: its status, its headers; answers its HTML. */
export function replyFrame(reply: FastifyReply, page: FramePage): string {
  reply.status(page.status);
  asPage(reply, page);
  return page.html;
}

/** A nonce for the scripts of one page. */
export function newNonce(): string {
  return randomBytes(16).toString('base64');
}

/**
 * Marks the reply as one of our pages. With `frameAncestor`, the origin of a portal, that portal may show it in
 * a frame: an X-Frame-Options of a proxy or of our defaults must not forbid it, and no other site may.
 */
export function asPage(reply: FastifyReply, page: Partial<Omit<FramePage, 'status' | 'html'>> = {}): void {
  const { frameAncestor, nonce, policy } = page;
  reply.removeHeader('x-frame-options');
  reply.headers({
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy':
      policy ?? contentSecurityPolicy({ ...(frameAncestor && { frameAncestor }), ...(nonce && { nonce }) }),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  });
}
