import type { Words } from '../../common/delivery-problem.js';
import type { Language } from '../../common/language.js';
import type { Utm } from '../../storage/crm/links.repository.js';
import type { Obstacle } from '../../storage/crm/pressed-links.js';
import type { CrmEntity, OpenLineEntityType } from '../entities/crm-entity.js';

/** How the types are called: by their name, and where something is linked to them. */
const NAMES: Record<OpenLineEntityType, Record<Language, { is: string; to: string }>> = {
  lead: { en: { is: 'lead', to: 'the lead' }, ru: { is: 'лид', to: 'лиду' } },
  deal: { en: { is: 'deal', to: 'the deal' }, ru: { is: 'сделка', to: 'сделке' } },
  contact: { en: { is: 'contact', to: 'the contact' }, ru: { is: 'контакт', to: 'контакту' } },
  company: { en: { is: 'company', to: 'the company' }, ru: { is: 'компания', to: 'компании' } },
};
const OTHER: Record<Language, { is: string; to: string }> = {
  en: { is: 'item', to: 'the item' },
  ru: { is: 'элемент', to: 'элементу' },
};

const OBSTACLES: Record<Obstacle, Words> = {
  used: {
    en: 'Somebody else has already used this invitation: this is an ordinary new client.',
    ru: 'Этим приглашением уже воспользовался другой человек: это обычный новый клиент.',
  },
  expired: {
    en: 'The invitation has expired: this is an ordinary new client.',
    ru: 'Срок действия приглашения истёк: это обычный новый клиент.',
  },
  group: {
    en: 'The invitation was opened in a group: nobody was linked to anything.',
    ru: 'Приглашение открыто в группе: диалог ни к чему не привязан.',
  },
};

type Said = Record<Language, string>;

const inEvery = (say: (language: Language) => string): Said => ({ en: say('en'), ru: say('ru') });

function called({ type, id }: CrmEntity, title: string, language: Language, form: 'is' | 'to'): string {
  const name = (NAMES[type as OpenLineEntityType] ?? OTHER)[language][form];
  const number = language === 'ru' ? `№ ${id}` : id;
  if (title === '') return `${name} ${number}`;
  return `${name} ${language === 'ru' ? `«${title}»` : `“${title}”`} (${number})`;
}

/** What operators read of an arrival, a line for each thing that was done, or could not be. */
export const ARRIVAL_WORDS = {
  bound: (entity: CrmEntity, title: string): Said =>
    inEvery((language) => {
      const to = called(entity, title, language, 'to');
      return language === 'ru'
        ? `📎 Клиент пришёл по приглашению и привязан к ${to}.`
        : `📎 The client came by an invitation and is now linked to ${to}.`;
    }),
  gone: (entity: CrmEntity): Said =>
    inEvery((language) => {
      const what = called(entity, '', language, 'is');
      return language === 'ru'
        ? `📎 Клиент пришёл по приглашению, но в CRM больше нет того, к чему оно относилось (${what}): это обычный новый клиент.`
        : `📎 The client came by an invitation, but what it was for is no longer in the CRM (${what}): this is an ordinary new client.`;
    }),
  notBound: (entity: CrmEntity, detail: string): Said =>
    inEvery((language) => {
      const what = called(entity, '', language, 'is');
      return language === 'ru'
        ? `📎 Клиент пришёл по приглашению (${what}), но привязать диалог не удалось: ${detail}`
        : `📎 The client came by an invitation (${what}), but the dialog could not be linked to it: ${detail}`;
    }),
  obstacle: (obstacle: Obstacle): Said => inEvery((language) => `📎 ${OBSTACLES[obstacle][language]}`),
  written: (entity: CrmEntity, utm: Utm): Said =>
    inEvery((language) => {
      const fields = Object.entries(utm).map(([name, value]) => `utm_${name}=${value}`);
      const what = called(entity, '', language, 'is');
      return `🏷 ${language === 'ru' ? 'Записано в CRM' : 'Noted in the CRM'} (${what}): ${fields.join(', ')}`;
    }),
};

/** The lines one under another. */
export function linesOf(said: Said[]): Said {
  return inEvery((language) => said.map((line) => line[language]).join('\n'));
}
