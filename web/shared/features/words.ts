import type { Language } from '../i18n.js';

const en = {
  title: 'In the CRM',
  about: 'For the whole portal. Conversations do not depend on it.',
  off: (name: string) => `${name}: switched off.`,
  buttons: 'Buttons with triggers of their own, one a line',
  buttonsHelp: 'As the button says it. Each becomes a trigger “the client pressed …” in the CRM.',
  buttonsSave: 'Save buttons',
};

export type FeatureWords = typeof en;

const ru: FeatureWords = {
  title: 'В CRM',
  about: 'Для всего портала. На переписку это не влияет.',
  off: (name) => `${name}: выключены.`,
  buttons: 'Кнопки с отдельными триггерами, по одной в строке',
  buttonsHelp: 'Так, как написано на кнопке. Для каждой в CRM появится триггер «клиент нажал …».',
  buttonsSave: 'Сохранить кнопки',
};

/** What the pages say of what a portal may have beside the connector; names and states the service says. */
export function featureWords(language: Language): FeatureWords {
  return language === 'ru' ? ru : en;
}
