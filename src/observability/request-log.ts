import { Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { redact } from '../common/redact.js';

const CHANGES = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
const logger = new Logger('Request');

/**
 * One line per request that somebody may ask about: every answer other than 2xx and every change through the admin
 * API. The rest (webhooks that went well, probes, scrapes, pages) is at debug. No header and no body is logged.
 */
export function logRequest(request: FastifyRequest, reply: FastifyReply): void {
  const { statusCode } = reply;
  const line = {
    requestId: request.id,
    method: request.method,
    url: loggableUrl(request.url),
    status: statusCode,
    ms: Math.round(reply.elapsedTime),
    ip: request.ip,
  };
  const probe = /^\/(health|metrics)\b/.test(request.url);
  const change = CHANGES.has(request.method) && request.url.startsWith('/admin');
  if (statusCode >= 500 && !probe) logger.warn(line, 'Request');
  else if (!probe && (change || statusCode >= 300)) logger.log(line, 'Request');
  else logger.debug(line, 'Request');
}

/** A path without what opens doors or quotes people: credentials, search words, keys of webhooks, tokens of files. */
export function loggableUrl(url: string): string {
  return redact(url)
    .replace(/^(\/files\/|\/tg\/webhook\/|\/b24\/(?:robots|sms)\/)[^/?]+/, '$1[key]')
    .replace(/([?&]q=)[^&]*/g, '$1[text]');
}
