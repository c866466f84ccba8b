const en = {
  cannotOpen: 'Open this page from a chat in Bitrix24.',
  sessionOver: 'This panel was opened too long ago. Close it and open it again.',
  notOurs: 'This chat is not with a Telegram client',
  notOursHelp: 'In dialogs with Telegram clients you see here who they are, and answers that are ready.',

  client: 'Client',
  blocked: 'The client has blocked the bot: what you write will not arrive.',
  left: 'The bot is no longer in this group: what you write will not arrive.',
  banned: 'This chat is banned: what the client writes is not shown here.',
  bot: 'Bot',
  line: '{bot}, line {line}',
  language: 'Language',
  phone: 'Phone',
  since: 'First seen',
  lastWrote: 'Last wrote',
  never: 'not yet',
  source: 'Came from',
  sourceLink: 'link “{name}”',
  sourcePayload: 'link with the code {payload}',
  invited: 'invited from {entity} {id}',
  entity_lead: 'lead',
  entity_deal: 'deal',
  entity_contact: 'contact',
  entity_company: 'company',
  entity_other: 'item',
  others: 'Other chats of this client',
  otherBlocked: 'blocked',

  answers: 'Ready answers',
  search: 'Find an answer',
  noAnswers:
    'No ready answers yet. An administrator adds them on the settings page of the open line, in Contact Center.',
  notFound: 'Nothing found. Try other words.',
  found: 'Answers found: {count}',
  send: 'Send to the client',
  sendAgain: 'Send once more',
  sent: 'Sent. It appears in the chat when the client has received it.',
  copy: 'Copy',
  copied: 'Copied. Paste it into the input field.',
  notCopied: 'The browser does not let this page copy. Select the text above and copy it.',
  withoutFiles: 'Copies the text only; files go with “Send to the client”.',
  empty: 'It has neither text nor files.',

  error_answer_changed: 'Somebody has just changed this answer. Look at it again, then send it.',
  error_answer_too_long:
    'With the client’s name the answer is longer than a message may be. Copy it, make it shorter, and send it.',
  error_answer_empty: 'There is nothing to send: the answer has neither text nor files.',
  error_no_chat: 'This client is not known any more.',
  error_no_access: 'Bitrix24 does not show you this dialog.',
  error_portal_unavailable: 'Bitrix24 does not respond right now. Nothing was sent; try again in a minute.',
  error_too_many_requests: 'Too many attempts. Wait a little and try again.',
  error_storage_unavailable: 'The service cannot save anything right now. Try again in a minute.',
  error_unavailable: 'The service is just starting or stopping. Try again in a minute.',
  error_no_answer: 'The service does not respond. Check your connection and press again: it is sent only once.',
  error_other: 'That did not work: {detail}',
};

export type Text = keyof typeof en;

const ru: Record<Text, string> = {
  cannotOpen: 'Откройте эту страницу из чата в Битрикс24.',
  sessionOver: 'Панель открыта слишком давно. Закройте её и откройте снова.',
  notOurs: 'Этот чат — не с клиентом из Telegram',
  notOursHelp: 'В диалогах с клиентами из Telegram здесь видно, кто они, и есть готовые ответы.',

  client: 'Клиент',
  blocked: 'Клиент заблокировал бота: сообщения до него не дойдут.',
  left: 'Бота больше нет в этой группе: сообщения туда не дойдут.',
  banned: 'Чат в чёрном списке: сообщения клиента здесь не показываются.',
  bot: 'Бот',
  line: '{bot}, линия {line}',
  language: 'Язык',
  phone: 'Телефон',
  since: 'Впервые',
  lastWrote: 'Последнее сообщение',
  never: 'ещё не было',
  source: 'Откуда пришёл',
  sourceLink: 'ссылка «{name}»',
  sourcePayload: 'ссылка с кодом {payload}',
  invited: 'приглашение: {entity} {id}',
  entity_lead: 'лид',
  entity_deal: 'сделка',
  entity_contact: 'контакт',
  entity_company: 'компания',
  entity_other: 'элемент',
  others: 'Другие чаты этого клиента',
  otherBlocked: 'заблокирован',

  answers: 'Готовые ответы',
  search: 'Найти ответ',
  noAnswers:
    'Готовых ответов пока нет. Их добавляет администратор на странице настроек открытой линии в Контакт-центре.',
  notFound: 'Ничего не найдено. Попробуйте другие слова.',
  found: 'Найдено ответов: {count}',
  send: 'Отправить клиенту',
  sendAgain: 'Отправить ещё раз',
  sent: 'Отправлено. В чате ответ появится, когда клиент его получит.',
  copy: 'Копировать',
  copied: 'Скопировано. Вставьте текст в поле ввода.',
  notCopied: 'Браузер не разрешает копировать отсюда. Выделите текст выше и скопируйте его.',
  withoutFiles: 'Копируется только текст; файлы уйдут по кнопке «Отправить клиенту».',
  empty: 'Нет ни текста, ни файлов.',

  error_answer_changed: 'Этот ответ только что изменили. Посмотрите на него ещё раз и отправьте.',
  error_answer_too_long:
    'С именем клиента ответ длиннее, чем может быть сообщение. Скопируйте его, сократите и отправьте.',
  error_answer_empty: 'Отправлять нечего: в ответе нет ни текста, ни файлов.',
  error_no_chat: 'Этот клиент больше не известен.',
  error_no_access: 'Битрикс24 не показывает вам этот диалог.',
  error_portal_unavailable: 'Битрикс24 сейчас не отвечает. Ничего не отправлено; попробуйте через минуту.',
  error_too_many_requests: 'Слишком много попыток. Подождите немного и попробуйте ещё раз.',
  error_storage_unavailable: 'Сервис сейчас не может ничего сохранить. Попробуйте через минуту.',
  error_unavailable: 'Сервис запускается или останавливается. Попробуйте через минуту.',
  error_no_answer: 'Сервис не отвечает. Проверьте соединение и нажмите ещё раз: дважды ответ не уйдёт.',
  error_other: 'Не получилось: {detail}',
};

export type Say = (text: Text, values?: Record<string, string>) => string;

/** Says texts in the language; `{…}` that are not among the values stay as they are. */
export function speaker(lang: string): Say {
  const texts = lang === 'ru' ? ru : en;
  return (text, values = {}) => texts[text].replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

/** Whether there is such a text. */
export function isText(name: string): name is Text {
  return Object.hasOwn(en, name);
}
