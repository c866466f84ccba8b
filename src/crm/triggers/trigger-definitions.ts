import type { Words } from '../../common/delivery-problem.js';
import type { Language } from '../../common/language.js';
import { buttonSubject, TRIGGER_EVENTS, type TriggerEvent } from '../../storage/work/trigger-events.js';

/** A trigger as crm.automation.trigger.add takes it: its name in one language, the portal's. */
export interface TriggerDefinition {
  code: string;
  name: string;
}

/** What of a portal has triggers of its own, beside those for all of a kind. */
export interface TriggerSubjects {
  /** Words of buttons. */
  buttons: string[];
  links: { id: bigint; name: string }[];
}

const CODES: Readonly<Record<TriggerEvent, string>> = {
  wrote: 'tg_client_wrote',
  wrote_first: 'tg_client_wrote_first',
  pressed: 'tg_button_pressed',
  blocked: 'tg_client_blocked',
  delivered: 'tg_message_delivered',
  came: 'tg_came_by_link',
};

const NAMES: Readonly<Record<TriggerEvent, Words>> = {
  wrote: { en: 'Telegram: the client wrote', ru: 'Telegram: клиент написал' },
  wrote_first: { en: 'Telegram: the client wrote for the first time', ru: 'Telegram: клиент написал впервые' },
  pressed: { en: 'Telegram: the client pressed a button', ru: 'Telegram: клиент нажал кнопку' },
  blocked: { en: 'Telegram: the client blocked the bot', ru: 'Telegram: клиент заблокировал бота' },
  delivered: { en: 'Telegram: a message reached the client', ru: 'Telegram: сообщение доставлено клиенту' },
  came: { en: 'Telegram: the client came by a link', ru: 'Telegram: клиент пришёл по ссылке' },
};

const PRESSED: Readonly<Record<Language, (button: string) => string>> = {
  en: (button) => `Telegram: the client pressed “${button}”`,
  ru: (button) => `Telegram: клиент нажал «${button}»`,
};

const CAME: Readonly<Record<Language, (link: string) => string>> = {
  en: (link) => `Telegram: the client came by the link “${link}”`,
  ru: (link) => `Telegram: клиент пришёл по ссылке «${link}»`,
};

/** Nothing can be handed over with a trigger, so a button or a link that something depends on has a code of its own. */
export function triggerCode(event: TriggerEvent, subject = ''): string {
  return subject === '' ? CODES[event] : `${CODES[event]}_${subject}`;
}

/** Whether a code is one that this program makes, now or in an earlier version. */
export function isOwnTrigger(code: string): boolean {
  return TRIGGER_EVENTS.some((event) => code === CODES[event] || code.startsWith(`${CODES[event]}_`));
}

/** All triggers of a portal, each code once. */
export function triggersOf({ buttons, links }: TriggerSubjects, language: Language): TriggerDefinition[] {
  const all = [
    ...TRIGGER_EVENTS.map((event) => ({ code: triggerCode(event), name: NAMES[event][language] })),
    ...buttons.map((button) => ({
      code: triggerCode('pressed', buttonSubject(button)),
      name: PRESSED[language](button),
    })),
    ...links.map(({ id, name }) => ({ code: triggerCode('came', String(id)), name: CAME[language](name) })),
  ];
  return [...new Map(all.map((trigger) => [trigger.code, trigger])).values()];
}
