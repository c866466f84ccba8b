import type { Words } from './delivery-problem.js';
import type { Language } from './language.js';

/** Why a bot, a portal or a token is in its state, by code. Other codes are those of Bitrix24. */
export const STATE_REASONS = {
  switched_off: { en: 'An administrator switched it off', ru: 'Выключен администратором' },
  being_removed: { en: 'It is being removed', ru: 'Удаляется' },
  another_program: {
    en: 'Another program uses this bot: stop it, or give it a bot of its own',
    ru: 'Этого бота использует другая программа: остановите её или заведите для неё другого бота',
  },
  token_refused: {
    en: 'Telegram does not accept the token: ask @BotFather for the current one and enter it again',
    ru: 'Telegram не принимает токен: получите у @BotFather действующий и введите его заново',
  },
  no_administrator: {
    en: 'No administrator has authorised the application',
    ru: 'Ни один администратор не дал приложению доступ',
  },
  another_application: {
    en: 'Another application was installed',
    ru: 'Установлено другое приложение',
  },
  removed: { en: 'The application was removed from the portal', ru: 'Приложение удалено с портала' },
  erasing: {
    en: 'The application was removed; its data are being erased',
    ru: 'Приложение удалено, его данные стираются',
  },
  erased: {
    en: 'The application was removed from the portal and its data were erased',
    ru: 'Приложение удалено с портала, его данные стёрты',
  },
} as const satisfies Readonly<Record<string, Words>>;

export type StateReasonCode = keyof typeof STATE_REASONS;

/** A code of ours or of Bitrix24, and what the network said in its own words. null: a sentence of an older version. */
export interface StateReason {
  code: string | null;
  said: string | null;
}

/** As the tables keep it: `code`, or `code: what the network said`. */
export function stateReason(code: StateReasonCode, said?: string): string {
  return said === undefined ? code : `${code}: ${said}`;
}

/** Older versions keep sentences; those of erasures are what erasures go by, and stay. */
const SENTENCES = new Map<string, StateReasonCode>([
  [STATE_REASONS.removed.en, 'removed'],
  [STATE_REASONS.erasing.en, 'erasing'],
  [STATE_REASONS.erased.en, 'erased'],
  ['Switched off by an administrator', 'switched_off'],
  ['Being removed', 'being_removed'],
  ['no administrator has authorised the application', 'no_administrator'],
  ['another application was installed', 'another_application'],
]);

/** @param kept as the tables keep it */
export function readStateReason(kept: string): StateReason {
  const sentence = SENTENCES.get(kept);
  if (sentence) return { code: sentence, said: null };
  const [, code = null, said = null] = /^(\w+)(?:: (.*))?$/s.exec(kept) ?? [];
  return code === null ? { code, said: kept } : { code, said };
}

/** The same for people: what the network said, and what it means where that is known. */
export function stateReasonInWords({ code, said }: StateReason, language: Language): string {
  if (code === null || !isOurs(code)) return [code, said].filter(Boolean).join(': ');
  const words = STATE_REASONS[code][language];
  return said ? `${said.replace(/\.$/, '')}. ${words}` : words;
}

/** As the admin API tells it: readable, and in its parts. */
export function shownStateReason(kept: string | null) {
  if (kept === null) return { stateReason: null, stateCode: null, stateSaid: null };
  const reason = readStateReason(kept);
  return { stateReason: stateReasonInWords(reason, 'en'), stateCode: reason.code, stateSaid: reason.said };
}

function isOurs(code: string): code is StateReasonCode {
  return Object.hasOwn(STATE_REASONS, code);
}
