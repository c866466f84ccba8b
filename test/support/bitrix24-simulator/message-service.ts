import { createHash } from 'node:crypto';
import type { Params } from './php-encoding.js';
import type { PortalApp } from './portal-model.js';
import type { Portal } from './portal.js';

export const SMS_STATUSES = ['queued', 'sent', 'delivered', 'undelivered', 'failed'] as const;
export type SmsStatus = (typeof SMS_STATUSES)[number];

/** A sender of an application, which the portal lists among the ways to send an SMS. */
export interface SmsSender {
  app: PortalApp;
  code: string;
  handler: string;
  name: unknown;
  description: unknown;
}

/** A row of the portal's queue. */
export interface Sms {
  id: number;
  /** The md5 that the application knows it by. */
  messageId: string;
  app: PortalApp;
  code: string;
  authorId: number;
  to: string;
  body: string;
  /** `sent` as soon as it was posted. */
  status: SmsStatus;
  /** Every status that the application reported. */
  reports: SmsStatus[];
  /** The row is there only from now on: a status before that finds nothing. */
  thereFrom: number;
  fields: Params;
}

export interface SmsOptions {
  /** As somebody typed it. */
  phone: string;
  text: string;
  /** Default crm. */
  module?: 'crm' | 'bizproc' | 'sender';
  /** [owner type, owner id] */
  bindings?: [number, number][];
  /** 0: nobody; the post has no auth. */
  author?: number;
  /** Marketing sends past the queue: the row is made so many ms after the post. */
  lateMs?: number;
}

/** SMS by applications (messageservice/lib/sender/sms/rest.php). */
export class MessageService {
  readonly senders = new Map<string, SmsSender>();
  readonly sent: Sms[] = [];

  constructor(private readonly portal: Portal) {}

  wipe(app: PortalApp): void {
    for (const [key, sender] of this.senders) if (sender.app === app) this.senders.delete(key);
  }

  /** The card, a robot or a mailing sends one: a post that nobody repeats. Throws where there is no such sender. */
  send(app: PortalApp, code: string, options: SmsOptions): Sms {
    const sender = this.senders.get(senderKey(app, code));
    if (sender === undefined) throw new Error(`There is no sender ${code}.`);
    const { phone, text: body, module = 'crm', bindings = [], author = 1, lateMs = 0 } = options;
    const id = 700 + this.sent.length;
    const to = `+${normalizePhone(phone)}`;
    const messageId = createHash('md5').update(`${code}|${id}|${to}`).digest('hex');
    const fields: Params = {
      module_id: module,
      ...(module === 'crm'
        ? { bindings: bindings.map(([type, owner]) => ({ OWNER_TYPE_ID: type, OWNER_ID: owner })) }
        : {}),
      properties: { phone_number: to, message_text: body },
      type: 'SMS',
      code,
      message_id: messageId,
      message_to: to,
      message_body: body,
    };
    const now = this.portal.clock.now();
    const sms: Sms = {
      id,
      messageId,
      app,
      code,
      authorId: author,
      to,
      body,
      status: 'sent',
      reports: [],
      thereFrom: now + lateMs,
      fields,
    };
    this.sent.push(sms);
    this.post(sms);
    return sms;
  }

  /** A row that was stuck is taken again after two minutes, with the same id (messageservice/lib/queue.php). */
  sendAgain(sms: Sms): void {
    this.post(sms);
  }

  private post({ app, code, fields, authorId }: Sms): void {
    const sender = this.senders.get(senderKey(app, code))!;
    this.portal.events.postFields(sender.handler, app, code, { fields, userId: authorId, withoutAuth: authorId === 0 });
  }
}

export const senderKey = (app: PortalApp, code: string): string => `${app.clientId}|${code}`;

/** main/tools.php, NormalizePhone: digits and a few signs; prefixes of dialling are dropped, 8 of Russia is 7. */
export function normalizePhone(raw: string, minLength = 10): string {
  if (raw.length < minLength) return raw;
  const international = raw.trim().startsWith('+');
  let digits = raw.replace(/[^\d#*,;]/g, '');
  if (international) return digits;
  digits = digits.replace(/^(?:00|011|0)/, '');
  return /^8(?!0|1|2)/.test(digits) ? `7${digits.slice(1)}` : digits;
}
