import type { Language } from '../../common/language.js';
import type { FeatureName, FeatureState } from '../../storage/crm/portal-features.repository.js';

/** `detail`: the scopes that are missing, or what the portal said; of what is ready, what of it the portal refuses. */
type Sentence = (feature: { name: string; detail: string }) => string;

/** What a feature is called. */
export const FEATURE_NAMES: Readonly<Record<FeatureName, Readonly<Record<Language, string>>>> = {
  robots: { en: 'Robots', ru: 'Роботы' },
  sms: { en: 'Messages from the CRM', ru: 'Сообщения из CRM' },
  triggers: { en: 'Triggers', ru: 'Триггеры' },
  card: { en: 'Tabs in CRM cards', ru: 'Вкладки в карточках CRM' },
  card_processes: { en: 'Tabs in smart processes', ru: 'Вкладки в смарт-процессах' },
  chat_panel: { en: 'Panels in chats', ru: 'Панели в чатах' },
};

/** What it is for, in one sentence. */
export const FEATURE_PURPOSES: Readonly<Record<FeatureName, Readonly<Record<Language, string>>>> = {
  robots: {
    en: 'Robots and activities of processes that write to the client of a deal and wait for the answer.',
    ru: 'Роботы и действия процессов, которые пишут клиенту сделки и ждут ответа.',
  },
  sms: {
    en: '“Send SMS” of the CRM reaches clients in Telegram.',
    ru: '«Отправить SMS» в CRM доходит до клиентов в Telegram.',
  },
  triggers: {
    en: 'What a client does in Telegram moves the deal on: writes, presses a button, comes by a link.',
    ru: 'Действия клиента в Telegram двигают сделку: написал, нажал кнопку, пришёл по ссылке.',
  },
  card: {
    en: 'A tab “Telegram” in the cards of leads, deals, contacts and companies: read the conversation, write, invite.',
    ru: 'Вкладка «Telegram» в карточках лидов, сделок, контактов и компаний: читать переписку, отвечать, приглашать.',
  },
  card_processes: {
    en: 'The same tab in the cards of smart processes: conversations with their contacts and with clients invited from the card.',
    ru: 'Та же вкладка в карточках смарт-процессов: переписка с их контактами и с клиентами, приглашёнными из карточки.',
  },
  chat_panel: {
    en: 'Beside each Telegram dialog: who the client is, where they came from, and ready answers.',
    ru: 'Рядом с каждым диалогом Telegram: кто клиент, откуда он пришёл, и готовые ответы.',
  },
};

/** What a portal has, or what it lacks and who can change it, in one sentence. */
export const FEATURE_STATES: Readonly<Record<FeatureState, Readonly<Record<Language, Sentence>>>> = {
  ready: {
    en: ({ name, detail }) => (detail ? `${name}: ready, but Bitrix24 refused ${detail}.` : `${name}: ready.`),
    ru: ({ name, detail }) => (detail ? `${name}: работают, но Битрикс24 отказал: ${detail}.` : `${name}: работают.`),
  },
  off: {
    en: ({ name }) => `${name}: switched off.`,
    ru: ({ name }) => `${name}: выключены.`,
  },
  no_scope: {
    en: ({ name, detail }) =>
      detail.includes(',')
        ? `${name}: the application lacks the permissions “${detail}”; add them in the card of the application, then install it again.`
        : `${name}: the application lacks the permission “${detail}”; add it in the card of the application, then install it again.`,
    ru: ({ name, detail }) =>
      detail.includes(',')
        ? `${name}: у приложения нет прав «${detail}»; добавьте их в карточке приложения и установите приложение заново.`
        : `${name}: у приложения нет права «${detail}»; добавьте его в карточке приложения и установите приложение заново.`,
  },
  no_plan: {
    en: ({ name }) => `${name}: the plan of this Bitrix24 account does not include automation.`,
    ru: ({ name }) => `${name}: на тарифе этого портала нет автоматизации.`,
  },
  no_rights: {
    en: ({ name }) =>
      `${name}: whoever installed the application is no administrator any more; let an administrator install it again.`,
    ru: ({ name }) =>
      `${name}: тот, кто установил приложение, больше не администратор; пусть администратор установит его заново.`,
  },
  no_address: {
    en: ({ name }) => `${name}: PUBLIC_URL is not set, so Bitrix24 would not know where to post.`,
    ru: ({ name }) => `${name}: не задан PUBLIC_URL, и Битрикс24 не знает, куда обращаться.`,
  },
  failed: {
    en: ({ name, detail }) => `${name}: not registered yet, Bitrix24 answered: ${detail}.`,
    ru: ({ name, detail }) => `${name}: пока не зарегистрированы, Битрикс24 ответил: ${detail}.`,
  },
};
