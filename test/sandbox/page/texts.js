const TEXTS = {
  en: {
    title: 'Sandbox',
    chain: 'State of the chain',
    bitrix24: 'Bitrix24',
    bridge: 'Bridge',
    ready: 'ready',
    notReady: 'not ready',
    waiting: 'waiting: {n}',
    down: 'down, {n} s',
    lost: 'The sandbox has stopped. Start it again: npm run sandbox',
    downTelegram: 'Telegram down 10 s',
    downBitrix24: 'Bitrix24 down 10 s',
    console: 'Console',
    settings: 'Portal settings',
    docs: 'API',
    language: 'По-русски',
    clients: 'Clients',
    newClient: 'New client',
    unread: 'new messages: {n}',
    telegramRole: 'bot, as the client sees it in Telegram',
    bitrix24Role: 'the dialog, as the operator sees it in Bitrix24',
    telegramMessages: 'Messages in Telegram',
    bitrix24Messages: 'Messages in Bitrix24',
    telegramEmpty:
      'You are the client. Write to the bot: **bold**, __italic__ and `code` work as in the app; files go with the words typed so far.',
    bitrix24Empty: 'You are the operator. The dialog opens with the first message of the client.',
    clientWrites: 'Message of the client',
    operatorWrites: 'Message of the operator',
    send: 'Send',
    attach: 'Send with the words typed so far',
    sendPhoto: 'Photo',
    sendAlbum: 'Album of three photos',
    sendSeveral: 'Two photos and a document',
    sendVoice: 'Voice message',
    sendDocument: 'Document',
    sendSticker: 'Sticker',
    sendLocation: 'Location',
    sharePhone: 'Share the phone number',
    choose: 'Files from this computer',
    reply: 'Reply',
    quote: 'Quote',
    replying: 'Answer to:',
    editing: 'Changing:',
    cancel: 'Leave it',
    react: 'React with 👍',
    unreact: 'Take the reaction back',
    deleted: 'deleted',
    location: 'Location',
    openLink: 'Come by a link',
    deal: 'Deal',
    noDeal: 'The deal is made with the first message of the client.',
    runRobot: 'Run the robot',
    robotGot: 'the robot returned',
    block: 'Block the bot',
    unblock: 'Unblock',
    blocked: 'The bot is blocked',
    whisper: 'hidden from the client',
    edit: 'Edit',
    delete: 'Delete',
    edited: 'edited',
    sent: 'sent',
    clock: 'on its way to the client',
    delivered: 'delivered',
  },
  ru: {
    title: 'Песочница',
    chain: 'Состояние цепочки',
    bitrix24: 'Битрикс24',
    bridge: 'Мост',
    ready: 'готов',
    notReady: 'не готов',
    waiting: 'в очереди: {n}',
    down: 'нет связи, {n} с',
    lost: 'Песочница остановлена. Запустите её снова: npm run sandbox',
    downTelegram: 'Telegram: обрыв 10 с',
    downBitrix24: 'Битрикс24: обрыв 10 с',
    console: 'Консоль',
    settings: 'Настройки на портале',
    docs: 'API',
    language: 'In English',
    clients: 'Клиенты',
    newClient: 'Новый клиент',
    unread: 'новых сообщений: {n}',
    telegramRole: 'бот, каким его видит клиент в Telegram',
    bitrix24Role: 'диалог, каким его видит оператор в Битрикс24',
    telegramMessages: 'Сообщения в Telegram',
    bitrix24Messages: 'Сообщения в Битрикс24',
    telegramEmpty:
      'Вы — клиент. Напишите боту: **жирный**, __курсив__ и `код` работают, как в приложении; файлы уходят с набранным текстом.',
    bitrix24Empty: 'Вы — оператор. Диалог откроется с первым сообщением клиента.',
    clientWrites: 'Сообщение клиента',
    operatorWrites: 'Сообщение оператора',
    send: 'Отправить',
    attach: 'Отправить вместе с набранным текстом',
    sendPhoto: 'Фото',
    sendAlbum: 'Альбом из трёх фото',
    sendSeveral: 'Два фото и документ',
    sendVoice: 'Голосовое сообщение',
    sendDocument: 'Документ',
    sendSticker: 'Стикер',
    sendLocation: 'Геопозиция',
    sharePhone: 'Отправить номер телефона',
    choose: 'Файлы с этого компьютера',
    reply: 'Ответить',
    quote: 'Цитировать',
    replying: 'Ответ на:',
    editing: 'Изменение:',
    cancel: 'Отменить',
    react: 'Реакция 👍',
    unreact: 'Снять реакцию',
    deleted: 'удалено',
    location: 'Геопозиция',
    openLink: 'Прийти по ссылке',
    deal: 'Сделка',
    noDeal: 'Сделка появится с первым сообщением клиента.',
    runRobot: 'Запустить робота',
    robotGot: 'робот вернул',
    block: 'Заблокировать бота',
    unblock: 'Разблокировать',
    blocked: 'Бот заблокирован',
    whisper: 'скрыто от клиента',
    edit: 'Изменить',
    delete: 'Удалить',
    edited: 'изменено',
    sent: 'отправлено',
    clock: 'на пути к клиенту',
    delivered: 'доставлено',
  },
};

const remembered = localStorage.getItem('language');
let language = remembered ?? (navigator.language.toLowerCase().startsWith('ru') ? 'ru' : 'en');

export const currentLanguage = () => language;

export function switchLanguage() {
  language = language === 'ru' ? 'en' : 'ru';
  localStorage.setItem('language', language);
}

/** The text in the chosen language; `n` stands for {n}. */
export function text(key, n = '') {
  return TEXTS[language][key].replace('{n}', n);
}

/** Fills in whatever the page marks with data-text, data-label and data-placeholder. */
export function translatePage() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll('[data-label]')) {
    const label = text(element.dataset.label);
    element.setAttribute('aria-label', label);
    if (element.tagName === 'BUTTON') element.title = label;
  }
  for (const element of document.querySelectorAll('[data-placeholder]')) {
    element.placeholder = text(element.dataset.placeholder);
  }
}
