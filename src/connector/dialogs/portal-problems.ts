import type { ProblemTable } from '../../common/delivery-problem.js';

const REFUSED = { kind: 'refused', scope: 'message' } as const;

/** Why the portal keeps a message, or a file of it, from its way: what operators read of it. */
export const PORTAL_PROBLEMS: ProblemTable = {
  filtered: {
    ...REFUSED,
    reason: {
      en: 'a filter in front of the portal refuses these words',
      ru: 'фильтр перед порталом не пропускает эти слова',
    },
  },
  too_large: {
    ...REFUSED,
    reason: {
      en: 'the web server of the portal finds it too large',
      ru: 'веб-сервер портала считает его слишком большим',
    },
  },
  file_gone: {
    ...REFUSED,
    reason: { en: 'the portal does not have it any more', ru: 'на портале его больше нет' },
  },
  file_html: {
    ...REFUSED,
    reason: { en: 'the portal gives a page in its place', ru: 'вместо него портал отдаёт страницу' },
  },
  file_forbidden: {
    ...REFUSED,
    reason: { en: 'the portal does not let the service fetch it', ru: 'портал не отдаёт его сервису' },
  },
  file_refused_host: {
    ...REFUSED,
    reason: { en: "its link is none of the portal's", ru: 'это не ссылка портала' },
  },
  file_needs_disk: {
    ...REFUSED,
    reason: {
      en: 'the portal did not tell of it in time, and the application has no permission (disk) to fetch it now; send it again',
      ru: 'портал не сообщил о нём вовремя, а забрать его теперь приложению не позволяют права (нет disk); отправьте файл ещё раз',
    },
  },
  no_chat: {
    ...REFUSED,
    reason: {
      en: 'Bitrix24 did not say which client it is for; write it again',
      ru: 'Битрикс24 не указал, какому клиенту оно адресовано; напишите его ещё раз',
    },
  },
  no_message_id: {
    ...REFUSED,
    reason: {
      en: 'Bitrix24 did not number the message; write it again',
      ru: 'Битрикс24 не присвоил сообщению номер; напишите его ещё раз',
    },
  },
};
