import type { Language } from '../../common/language.js';

/** Everything that is said about a message in words that nobody wrote. */
export interface MessageLabels {
  photo: string;
  livePhoto: string;
  video: string;
  animation: string;
  voice: string;
  videoNote: string;
  audio: string;
  document: string;
  sticker: string;
  location: string;
  liveLocation: string;
  liveLocationEnded: string;
  venue: string;
  contact: string;
  company: string;
  jobTitle: string;
  poll: string;
  quiz: string;
  dice: string;
  game: string;
  story: string;
  invoice: string;
  checklist: string;
  tasksMarked: string;
  tasksAdded: string;
  pollOptionAdded: string;
  pollOptionDeleted: string;
  gift: string;
  giveaway: string;
  giveawayWinners: string;
  winners: string;
  paidMedia: string;
  richMessage: string;
  payment: string;
  refund: string;
  usersShared: string;
  chatShared: string;
  webAppData: string;
  passport: string;
  map: string;
  forwardedFrom: string;
  unknownSender: string;
  /** Heads the quote of an earlier message in whose place a file was put; its time stands behind it. */
  insteadOf: string;
  unsupported: string;
  unsupportedUpdate: string;
  empty: string;
  joined: string;
  left: string;
  titleChanged: string;
  pinned: string;
  movedTo: string;
  movedFrom: string;
  buttonPressed: string;
  startPressed: string;
  cameByLink: string;
  /** The same of somebody in a group. */
  botStarted: string;
  addedByLink: string;
  openedByOwner: string;
  reacted: string;
  reactionRemoved: string;
  customEmoji: string;
  botBlocked: string;
  botUnblocked: string;
  botAdded: string;
  botRemoved: string;
  botRights: string;
  voted: string;
  voteRetracted: string;
  byteUnits: readonly [string, string, string, string];
  /** Service messages that need no details, by the name of their field in Message. */
  service: Readonly<Record<string, string>>;
}

const EN: MessageLabels = {
  photo: '📷 Photo',
  livePhoto: '📷 Live photo',
  video: '🎬 Video',
  animation: '🎞 Animation',
  voice: '🎤 Voice message',
  videoNote: '📹 Video message',
  audio: '🎵 Audio',
  document: '📎 File',
  sticker: 'Sticker',
  location: '📍 Location',
  liveLocation: '📍 Live location',
  liveLocationEnded: '📍 The live location has ended',
  venue: '📍 Place',
  contact: '👤 Contact',
  company: 'Company',
  jobTitle: 'Job title',
  poll: '📊 Poll',
  quiz: '📊 Quiz',
  dice: 'Dice',
  game: '🎮 Game',
  story: '📖 Story',
  invoice: '🧾 Invoice',
  checklist: '📋 Checklist',
  tasksMarked: '📋 Marked in the checklist',
  tasksAdded: '📋 Added to the checklist',
  pollOptionAdded: '📊 Option added to the poll',
  pollOptionDeleted: '📊 Option removed from the poll',
  gift: '🎁 Gift',
  giveaway: '🎁 Giveaway',
  giveawayWinners: '🏆 Giveaway results',
  winners: 'winners',
  paidMedia: '⭐ Paid media',
  richMessage: '📄 Formatted message',
  payment: '💳 Payment received',
  refund: '💳 Payment refunded',
  usersShared: '👤 Shared users',
  chatShared: '👥 Shared chat',
  webAppData: '🌐 Data from the web app',
  passport: '🪪 Telegram Passport data',
  map: 'Map',
  forwardedFrom: '↪ Forwarded from',
  unknownSender: 'unknown sender',
  insteadOf: '✏️ Instead of the message',
  unsupported: '❔ Unsupported message type',
  unsupportedUpdate: '❔ Unsupported event',
  empty: '❔ Message without content',
  joined: '➕ Joined',
  left: '➖ Left',
  titleChanged: '✏️ New chat title',
  pinned: '📌 Pinned',
  movedTo: 'ℹ️ The group became a supergroup',
  movedFrom: 'ℹ️ The supergroup continues the group',
  buttonPressed: '🔘 Pressed button',
  startPressed: '▶️ The client pressed Start',
  cameByLink: '🔗 The client came by the link',
  botStarted: '▶️ The bot was started',
  addedByLink: '🔗 The bot was added by the link',
  openedByOwner: '💼 The owner of the Telegram Business account opened the bot from the chat with a client',
  reacted: 'Reaction',
  reactionRemoved: 'Reaction removed',
  customEmoji: 'custom emoji',
  botBlocked: '🚫 The client blocked the bot',
  botUnblocked: '✅ The client unblocked the bot',
  botAdded: '➕ The bot was added to the chat',
  botRemoved: '➖ The bot was removed from the chat',
  botRights: 'ℹ️ The rights of the bot in the chat changed',
  voted: '🗳 Voted for option',
  voteRetracted: '🗳 Took the vote back',
  byteUnits: ['B', 'KB', 'MB', 'GB'],
  service: {
    community_chat_added: 'ℹ️ The chat was added to a community',
    community_chat_removed: 'ℹ️ The chat was removed from a community',
    community_chat_joined: '➕ Joined from a community',
    suggested_post_approved: 'ℹ️ The suggested post was approved',
    suggested_post_approval_failed: 'ℹ️ The suggested post could not be approved',
    suggested_post_declined: 'ℹ️ The suggested post was declined',
    suggested_post_paid: 'ℹ️ The suggested post was paid',
    suggested_post_refunded: 'ℹ️ The payment for the suggested post was returned',
    chat_owner_left: 'ℹ️ The owner left the chat',
    chat_owner_changed: 'ℹ️ The chat has a new owner',
    new_chat_photo: '🖼 New chat photo',
    delete_chat_photo: '🖼 The chat photo was removed',
    group_chat_created: 'ℹ️ The group was created',
    supergroup_chat_created: 'ℹ️ The supergroup was created',
    channel_chat_created: 'ℹ️ The channel was created',
    managed_bot_created: 'ℹ️ A bot was created',
    message_auto_delete_timer_changed: 'ℹ️ The auto-delete timer was changed',
    connected_website: '🌐 Logged in on a website',
    write_access_allowed: 'ℹ️ The bot was allowed to write',
    proximity_alert_triggered: '📍 Proximity alert',
    boost_added: '⚡ The chat was boosted',
    chat_background_set: '🖼 New chat background',
    forum_topic_created: 'ℹ️ The topic was created',
    forum_topic_edited: 'ℹ️ The topic was changed',
    forum_topic_closed: 'ℹ️ The topic was closed',
    forum_topic_reopened: 'ℹ️ The topic was reopened',
    general_forum_topic_hidden: 'ℹ️ The general topic was hidden',
    general_forum_topic_unhidden: 'ℹ️ The general topic was shown',
    giveaway_created: '🎁 A giveaway was created',
    giveaway_completed: '🎁 The giveaway is over',
    gift_upgrade_sent: '🎁 A gift upgrade was sent',
    paid_message_price_changed: '⭐ The price of messages changed',
    direct_message_price_changed: '⭐ The price of direct messages changed',
    video_chat_scheduled: '📞 A video chat was scheduled',
    video_chat_started: '📞 The video chat started',
    video_chat_ended: '📞 The video chat ended',
    video_chat_participants_invited: '📞 Invited to the video chat',
  },
};

const RU: MessageLabels = {
  photo: '📷 Фото',
  livePhoto: '📷 Живое фото',
  video: '🎬 Видео',
  animation: '🎞 Анимация',
  voice: '🎤 Голосовое сообщение',
  videoNote: '📹 Видеосообщение',
  audio: '🎵 Аудио',
  document: '📎 Файл',
  sticker: 'Стикер',
  location: '📍 Геопозиция',
  liveLocation: '📍 Трансляция геопозиции',
  liveLocationEnded: '📍 Трансляция геопозиции закончилась',
  venue: '📍 Место',
  contact: '👤 Контакт',
  company: 'Компания',
  jobTitle: 'Должность',
  poll: '📊 Опрос',
  quiz: '📊 Викторина',
  dice: 'Кубик',
  game: '🎮 Игра',
  story: '📖 История',
  invoice: '🧾 Счёт',
  checklist: '📋 Список задач',
  tasksMarked: '📋 Отмечено в списке задач',
  tasksAdded: '📋 Добавлено в список задач',
  pollOptionAdded: '📊 В опрос добавлен вариант',
  pollOptionDeleted: '📊 Из опроса удалён вариант',
  gift: '🎁 Подарок',
  giveaway: '🎁 Розыгрыш',
  giveawayWinners: '🏆 Итоги розыгрыша',
  winners: 'победителей',
  paidMedia: '⭐ Платный контент',
  richMessage: '📄 Оформленное сообщение',
  payment: '💳 Получена оплата',
  refund: '💳 Оплата возвращена',
  usersShared: '👤 Переданы пользователи',
  chatShared: '👥 Передан чат',
  webAppData: '🌐 Данные из веб-приложения',
  passport: '🪪 Данные Telegram Passport',
  map: 'Карта',
  forwardedFrom: '↪ Переслано от',
  unknownSender: 'неизвестный отправитель',
  insteadOf: '✏️ Вместо сообщения',
  unsupported: '❔ Неподдерживаемый тип сообщения',
  unsupportedUpdate: '❔ Неподдерживаемое событие',
  empty: '❔ Сообщение без содержимого',
  joined: '➕ Присоединились',
  left: '➖ Покинул чат',
  titleChanged: '✏️ Новое название чата',
  pinned: '📌 Закреплено',
  movedTo: 'ℹ️ Группа стала супергруппой',
  movedFrom: 'ℹ️ Супергруппа продолжает группу',
  buttonPressed: '🔘 Нажата кнопка',
  startPressed: '▶️ Клиент нажал «Старт»',
  cameByLink: '🔗 Клиент пришёл по ссылке',
  botStarted: '▶️ Бот запущен',
  addedByLink: '🔗 Бот добавлен по ссылке',
  openedByOwner: '💼 Владелец аккаунта Telegram Business открыл бота из чата с клиентом',
  reacted: 'Реакция',
  reactionRemoved: 'Реакция снята',
  customEmoji: 'особый эмодзи',
  botBlocked: '🚫 Клиент заблокировал бота',
  botUnblocked: '✅ Клиент разблокировал бота',
  botAdded: '➕ Бот добавлен в чат',
  botRemoved: '➖ Бот удалён из чата',
  botRights: 'ℹ️ Изменены права бота в чате',
  voted: '🗳 Голос за вариант',
  voteRetracted: '🗳 Голос отозван',
  byteUnits: ['Б', 'КБ', 'МБ', 'ГБ'],
  service: {
    community_chat_added: 'ℹ️ Чат добавлен в сообщество',
    community_chat_removed: 'ℹ️ Чат удалён из сообщества',
    community_chat_joined: '➕ Вход из сообщества',
    suggested_post_approved: 'ℹ️ Предложенная публикация одобрена',
    suggested_post_approval_failed: 'ℹ️ Предложенную публикацию не удалось одобрить',
    suggested_post_declined: 'ℹ️ Предложенная публикация отклонена',
    suggested_post_paid: 'ℹ️ Предложенная публикация оплачена',
    suggested_post_refunded: 'ℹ️ Оплата предложенной публикации возвращена',
    chat_owner_left: 'ℹ️ Владелец покинул чат',
    chat_owner_changed: 'ℹ️ У чата новый владелец',
    new_chat_photo: '🖼 Новое фото чата',
    delete_chat_photo: '🖼 Фото чата удалено',
    group_chat_created: 'ℹ️ Группа создана',
    supergroup_chat_created: 'ℹ️ Супергруппа создана',
    channel_chat_created: 'ℹ️ Канал создан',
    managed_bot_created: 'ℹ️ Создан бот',
    message_auto_delete_timer_changed: 'ℹ️ Изменён таймер автоудаления',
    connected_website: '🌐 Вход на сайт',
    write_access_allowed: 'ℹ️ Боту разрешено писать',
    proximity_alert_triggered: '📍 Сработало оповещение о приближении',
    boost_added: '⚡ Чат получил буст',
    chat_background_set: '🖼 Новый фон чата',
    forum_topic_created: 'ℹ️ Тема создана',
    forum_topic_edited: 'ℹ️ Тема изменена',
    forum_topic_closed: 'ℹ️ Тема закрыта',
    forum_topic_reopened: 'ℹ️ Тема открыта снова',
    general_forum_topic_hidden: 'ℹ️ Общая тема скрыта',
    general_forum_topic_unhidden: 'ℹ️ Общая тема показана',
    giveaway_created: '🎁 Создан розыгрыш',
    giveaway_completed: '🎁 Розыгрыш завершён',
    gift_upgrade_sent: '🎁 Отправлено улучшение подарка',
    paid_message_price_changed: '⭐ Изменена цена сообщений',
    direct_message_price_changed: '⭐ Изменена цена личных сообщений',
    video_chat_scheduled: '📞 Запланирован видеочат',
    video_chat_started: '📞 Видеочат начался',
    video_chat_ended: '📞 Видеочат завершён',
    video_chat_participants_invited: '📞 Приглашение в видеочат',
  },
};

export const MESSAGE_LABELS: Readonly<Record<Language, MessageLabels>> = { en: EN, ru: RU };
