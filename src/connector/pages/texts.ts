import type { Language } from '../../common/language.js';

/** Everything our pages say. `{…}` is filled by {@link say}. */
const en = {
  installed: 'Telegram is connected to Bitrix24',
  installedPartly: 'Connected, but not everything worked',
  installNext: 'Open Contact Center, choose “{connector}” and connect it to an open line.',
  installRetry: 'Nothing is lost. Fix what the marked steps say, then open the application again.',
  finishing: 'Finishing the installation…',
  statusTitle: 'Telegram connector',
  settingsTitle: 'Telegram: open line {line}',
  settingsNoLine: 'Open this page from Contact Center: choose “{connector}” there and then an open line.',
  settingsOutside: 'This page opens inside Bitrix24',
  settingsOutsideAdvice: 'In your portal open Contact Center, choose “{connector}” and then an open line.',
  settingsOtherConnector: 'This tile belongs to another connector ({other}); this service runs {connector}.',
  portal: 'Portal',
  state: 'State',
  line: 'Open line',
  bot: 'Bot',
  none: 'none',
  state_active: 'connected',
  state_reauthorise: 'must be authorised again',
  state_uninstalled: 'not installed',
  lineOn: 'on',
  lineOff: 'off',
  failed: 'This did not work',
  oauthErrorTitle: 'Bitrix24 did not authorise the application',
  code: 'Code',
  frame_malformed: 'The request does not come from a Bitrix24 frame. Open the application inside your portal.',
  not_configured: 'The service is not set up yet. Its administrator has to set {missing}.',
  token_refused: 'Bitrix24 did not confirm your sign-in. Reload the portal page and open the application again.',
  wrong_application:
    'The tokens belong to an application that this service does not know. Its client id has to be B24_CLIENT_ID of the service or one of its further applications.',
  not_administrator: 'Only an administrator of the portal may do this. Ask one to open this page.',
  portal_not_allowed: 'Bitrix24 named an address of the portal that this service does not accept.',
  oauth_unavailable: 'Bitrix24 cannot be reached at the moment. Nothing was changed; try again in a minute.',
  certificate_refused:
    'The certificate of the portal cannot be verified. If a private CA issued it, the administrator of this service has to add the certificate of that CA: in the console, or in B24_CA_FILE. Nothing was changed.',
  state_invalid: 'This authorisation link was used already or is older than 10 minutes. Start again at /b24/install.',
  code_refused: 'Bitrix24 refused the authorisation code (it lives 30 seconds). Start again at /b24/install.',
  oauth_error: 'Bitrix24 answered with the error {error}. Start again at /b24/install.',
  callback_malformed: 'Bitrix24 did not send a code. Start at /b24/install.',
  portal_not_connected: 'Telegram is not connected to this portal. Ask an administrator to install the application.',
  feature_off: 'An administrator has switched this page off. It is switched on in the settings of the open line.',
  card_unsaved: 'Save the card first: then Telegram opens here.',
  no_access: 'This does not exist in the CRM any more, or your role does not let you see it.',
  no_crm_scope: 'The application has no access to the CRM. An administrator can add the permission “crm” to it.',
  portal_unavailable: 'Bitrix24 does not answer right now. Open the page again in a minute.',
};

export type PageText = keyof typeof en;

const ru: Record<PageText, string> = {
  installed: 'Telegram подключён к Битрикс24',
  installedPartly: 'Подключено, но сработало не всё',
  installNext: 'Откройте Контакт-центр, выберите «{connector}» и подключите его к открытой линии.',
  installRetry: 'Ничего не потеряно. Исправьте отмеченные шаги и откройте приложение ещё раз.',
  finishing: 'Завершаем установку…',
  statusTitle: 'Коннектор Telegram',
  settingsTitle: 'Telegram: открытая линия {line}',
  settingsNoLine: 'Откройте эту страницу из Контакт-центра: выберите там «{connector}» и открытую линию.',
  settingsOutside: 'Эта страница открывается внутри Битрикс24',
  settingsOutsideAdvice: 'Откройте на портале Контакт-центр, выберите «{connector}» и открытую линию.',
  settingsOtherConnector: 'Эта плитка принадлежит другому коннектору ({other}); сервис работает с {connector}.',
  portal: 'Портал',
  state: 'Состояние',
  line: 'Открытая линия',
  bot: 'Бот',
  none: 'нет',
  state_active: 'подключён',
  state_reauthorise: 'нужна повторная авторизация',
  state_uninstalled: 'не установлен',
  lineOn: 'включена',
  lineOff: 'выключена',
  failed: 'Не получилось',
  oauthErrorTitle: 'Битрикс24 не авторизовал приложение',
  code: 'Код',
  frame_malformed: 'Запрос пришёл не из фрейма Битрикс24. Откройте приложение внутри портала.',
  not_configured: 'Сервис ещё не настроен. Администратор сервиса должен задать {missing}.',
  token_refused: 'Битрикс24 не подтвердил ваш вход. Обновите страницу портала и откройте приложение ещё раз.',
  wrong_application:
    'Токены принадлежат приложению, которого сервис не знает. Его client id должен быть указан в B24_CLIENT_ID сервиса или среди его дополнительных приложений.',
  not_administrator: 'Это может сделать только администратор портала. Попросите его открыть эту страницу.',
  portal_not_allowed: 'Битрикс24 назвал адрес портала, который этот сервис не принимает.',
  oauth_unavailable: 'Битрикс24 сейчас недоступен. Ничего не изменено; попробуйте через минуту.',
  certificate_refused:
    'Сертификат портала не удалось проверить. Если его выдал частный центр сертификации, администратор сервиса должен добавить сертификат этого центра: в консоли или в B24_CA_FILE. Ничего не изменено.',
  state_invalid: 'Ссылка авторизации уже использована или старше 10 минут. Начните заново с /b24/install.',
  code_refused: 'Битрикс24 не принял код авторизации (он живёт 30 секунд). Начните заново с /b24/install.',
  oauth_error: 'Битрикс24 ответил ошибкой {error}. Начните заново с /b24/install.',
  callback_malformed: 'Битрикс24 не прислал код. Начните с /b24/install.',
  portal_not_connected: 'Telegram к этому порталу не подключён. Попросите администратора установить приложение.',
  feature_off: 'Администратор выключил эту страницу. Включить её можно в настройках открытой линии.',
  card_unsaved: 'Сначала сохраните карточку: после этого Telegram откроется здесь.',
  no_access: 'В CRM этого больше нет, или ваша роль не позволяет это видеть.',
  no_crm_scope: 'У приложения нет доступа к CRM. Администратор может добавить ему право «crm».',
  portal_unavailable: 'Битрикс24 сейчас не отвечает. Откройте страницу ещё раз через минуту.',
};

const TEXTS: Record<Language, Record<PageText, string>> = { en, ru };

/** One of our texts, with its `{…}` filled in. Not HTML: escape it where it enters a page. */
export function say(lang: Language, text: PageText, values: Record<string, string> = {}): string {
  return TEXTS[lang][text].replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
}

/** Whether there is a text for this error code. */
export function isPageText(code: string): code is PageText {
  return Object.hasOwn(en, code);
}
