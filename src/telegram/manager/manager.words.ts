import type { Language } from '../../common/language.js';

/** What the manager bot says. `{place}` is an open line and its portal. */
const en = {
  hello:
    'This bot makes bots that connect Telegram to open lines of Bitrix24. In Bitrix24, open the settings of an open line in Contact Center and press “Make a bot”.',
  makeIt: 'A new bot for {place}.\n\nPress the button and confirm. You can change the name and the user name first.',
  orTake: 'You can also take a bot that you made earlier.',
  make: 'Make the bot',
  take: 'Take {bot}',
  gone: 'This link no longer works. In Bitrix24, press “Make a bot” again and open the new link.',
  anothers:
    'Another Telegram account has already opened this link. In Bitrix24, press “Make a bot” again and open the new link.',
  over: 'A bot has already been made with this link. The settings of the open line in Bitrix24 show it.',
  whichLine: 'Which open line is {bot} for?',
  spare:
    '{bot} has been made, but no open line is waiting for it. In Bitrix24, press “Make a bot” in the settings of an open line and open the link: you can choose {bot} there.',
  tooLate: 'This button no longer works.',
  connecting: 'Connecting…',
  connected: '{bot} now serves {place}. Write to it: your message will appear in the open line.',
  failed: '{bot} has been made but is not connected to {place}: {why}',
  why_line_taken: 'another bot already serves the line.',
  why_bot_elsewhere: 'the bot serves another Bitrix24.',
  why_bot_on_other_line: 'the bot serves another open line.',
  why_portal_gone: 'the application was removed from the portal.',
  why_not_managed: 'Telegram does not let this service manage it.',
  why_telegram_unreachable: 'Telegram could not be reached. In Bitrix24, press “Make a bot” again and choose this bot.',
  why_other: 'something went wrong. In Bitrix24, press “Make a bot” again and choose this bot.',
  thisBot: 'The bot',
  namedPlace: 'the open line “{line}” of {portal}',
  numberedPlace: 'open line {line} of {portal}',
};

type Text = keyof typeof en;

const ru: Record<Text, string> = {
  hello:
    'Этот бот создаёт ботов, которые подключают Telegram к открытым линиям Битрикс24. В Битрикс24 откройте настройки открытой линии в Контакт-центре и нажмите «Создать бота».',
  makeIt:
    'Новый бот. Он будет подключён сюда: {place}.\n\nНажмите кнопку и подтвердите. Имя и имя пользователя перед этим можно изменить.',
  orTake: 'Можно взять и бота, которого вы создали раньше.',
  make: 'Создать бота',
  take: 'Взять {bot}',
  gone: 'Эта ссылка больше не работает. В Битрикс24 нажмите «Создать бота» ещё раз и откройте новую ссылку.',
  anothers:
    'Эту ссылку уже открыли из другого аккаунта Telegram. В Битрикс24 нажмите «Создать бота» ещё раз и откройте новую ссылку.',
  over: 'По этой ссылке бот уже создан. Он показан в настройках открытой линии в Битрикс24.',
  whichLine: 'К какой открытой линии подключить {bot}?',
  spare:
    'Бот {bot} создан, но его не ждёт ни одна открытая линия. В Битрикс24 нажмите «Создать бота» в настройках открытой линии и откройте ссылку: там можно выбрать {bot}.',
  tooLate: 'Эта кнопка больше не работает.',
  connecting: 'Подключаем…',
  connected:
    'Бот {bot} подключён. Теперь он работает здесь: {place}. Напишите ему: сообщение появится в открытой линии.',
  failed: 'Бот {bot} создан, но не подключён ({place}): {why}',
  why_line_taken: 'у линии уже есть другой бот.',
  why_bot_elsewhere: 'он подключён к другому Битрикс24.',
  why_bot_on_other_line: 'он подключён к другой открытой линии.',
  why_portal_gone: 'приложение удалено с портала.',
  why_not_managed: 'Telegram не разрешает этому сервису управлять им.',
  why_telegram_unreachable:
    'не удалось связаться с Telegram. В Битрикс24 нажмите «Создать бота» ещё раз и выберите этого бота.',
  why_other: 'что-то пошло не так. В Битрикс24 нажмите «Создать бота» ещё раз и выберите этого бота.',
  thisBot: 'без имени',
  namedPlace: 'открытая линия «{line}», {portal}',
  numberedPlace: 'открытая линия {line}, {portal}',
};

const TEXTS = { en, ru };

export function say(language: Language, text: Text, values: Record<string, string> = {}): string {
  return TEXTS[language][text].replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

/** Why a bot is not connected; `code` as `bot_requests.error` has it. */
export function why(language: Language, code: string): string {
  const text = `why_${code}`;
  return say(language, Object.hasOwn(en, text) ? (text as Text) : 'why_other');
}

/** An open line, as people know it. */
export function place(
  language: Language,
  { lineName, lineId, portal }: { lineName: string | null; lineId: string; portal: string },
): string {
  return lineName === null
    ? say(language, 'numberedPlace', { line: lineId, portal })
    : say(language, 'namedPlace', { line: lineName, portal });
}
