import { plural } from '../shared/i18n.js';
import { listed, quoted, text, upstream, type RefusalParams } from './refusal-params.js';

const seconds = ({ retryAfter }: RefusalParams) =>
  plural('ru', Number(retryAfter) || 1, '# секунду|# секунды|# секунд');

/** As in refusals.en.ts. */
export const refusals: Record<string, (params: RefusalParams) => string> = {
  invalid_request: ({ fields }) => `Проверьте введённое${listed(fields, FIELDS)}.`,
  invalid_cursor: () => 'Список изменился: обновите страницу.',
  invalid_range: () => 'Неверный период: начало должно быть раньше конца, не больше чем на год.',
  range_too_long: () => 'Слишком много сообщений, чтобы посчитать их сразу: выберите период короче.',
  search_too_long: () => 'История слишком длинная для такого поиска: выберите чат или период короче.',
  not_found: () => 'Этого больше нет. Обновите страницу.',
  body_too_large: () => 'Это больше, чем сервис принимает за один раз.',
  too_many_requests: (params) => `Подождите ${seconds(params)}.`,
  too_many_exports: () => 'Уже идут другие выгрузки: повторите, когда одна из них закончится.',
  storage_unavailable: () => 'PostgreSQL сейчас недоступен. Страница повторит запрос сама.',
  unavailable: () => 'Сервис запускается или останавливается. Повторите через минуту.',
  internal_error: ({ id }) =>
    `Произошла непредвиденная ошибка. В журнале сервиса она записана под номером ${text(id)}.`,

  role_too_low: ({ required, role }) =>
    `Нужен ключ с ролью ${ROLES[text(required)] ?? text(required)}, а у вашего — ${ROLES[text(role)] ?? text(role)}.`,
  limited_to_portal: ({ portalId }) => `Ваш ключ действует только для портала ${text(portalId)}.`,
  already_expired: () => 'Такой ключ уже истёк бы: выберите дату позже.',

  taken_back: () => 'Автор удалил это сообщение: повторно оно не отправляется.',
  not_retryable: () => 'Повторно отправить можно только недоставленные и неясные сообщения; кто-то вас опередил.',
  not_discardable: () => 'Отклонить можно только недоставленные и неясные сообщения; кто-то вас опередил.',
  not_uncertain: () => 'Исход этого сообщения уже известен.',
  chat_moved: () => 'Бот этого чата теперь обслуживает другой портал: там ничего не делается.',
  not_confirmed: () => 'Подтверждение не совпадает: ничего не удалено.',

  portal_needed: () => 'Выберите портал.',
  line_needed: () => 'У портала несколько ботов: выберите открытую линию.',
  no_bot: () => 'Этот портал не обслуживает ни один бот: сначала подключите бота.',
  bot_unnamed: () => 'Имя бота ещё неизвестно: повторите через минуту.',
  code_reserved: () => 'Такие ссылки делает сам Битрикс24 или Telegram: выберите другой код.',
  code_taken: () => 'У бота уже есть ссылка с этим кодом.',
  entity_not_found: () => 'В CRM нет ничего с таким номером.',
  no_crm_scope: () =>
    'Приложению недоступна CRM этого портала: добавьте право «crm» в карточку приложения и установите его заново.',

  bad_api_kind: () => 'У собственного сервера Bot API есть свой адрес: укажите его или выберите Telegram.',
  bad_token: () => 'Это не токен бота. Он выглядит как 123456789:AAE…, его даёт @BotFather.',
  token_refused: ({ said }) => `Telegram не принимает этот токен: получите действующий у @BotFather. ${quoted(said)}`,
  telegram_unreachable: ({ said }) =>
    `Telegram сейчас недоступен: повторите, а если не поможет, откройте «Диагностику». ${quoted(said)}`,
  another_bot: ({ username }) => `Это токен другого бота, @${text(username)}: добавьте его кнопкой «Добавить бота».`,
  bot_exists: ({ username }) => `@${text(username)} уже подключён: найдите его в списке.`,
  unknown_bot: () => 'Этот бот удалён. Обновите страницу.',
  manager_bot: () => 'Это токен бота, который создаёт ботов. Укажите токен другого бота.',
  no_manager: () => 'Сейчас создать бота нельзя. Проверьте TG_MANAGER_BOT_TOKEN или укажите токен.',
  portal_gone: () => 'Приложение удалено с этого портала.',
  line_taken: ({ lineId }) => `Линию ${text(lineId)} обслуживает другой бот: сначала перенесите или удалите его.`,
  line_incomplete: () => 'Выберите и портал, и открытую линию или не выбирайте ничего.',
  no_public_url: () => 'Сервис не знает своего адреса: задайте PUBLIC_URL или выберите «Опрос».',

  unknown_portal: () => 'Этот портал удалён. Обновите страницу.',
  portal_unknown: () => 'Этот портал удалён. Обновите страницу.',
  portal_silent: () => 'Портал не ответил.',
  not_installed: () => 'Установка не закончена: откройте приложение на портале один раз.',
  line_missing: () => 'Такой линии нет в Битрикс24: назначьте боту другую.',
  line_not_active: ({ error }) =>
    error
      ? 'Портал сообщает об ошибке коннектора в этой линии: подключите его в Контакт-центре.'
      : 'Портал сообщает, что коннектор в этой линии не включён: подключите его в Контакт-центре.',

  application_exists: () => 'Приложение с таким client id уже есть: измените его.',
  application_in_use: () => 'Приложением пользуются порталы: сначала удалите их.',
  unknown_application: () => 'Это приложение удалено. Обновите страницу.',
  bad_certificates: () => 'Эти сертификаты не подходят: вставьте целые блоки PEM с неистёкшим сроком, один за другим.',
  certificate_refused: () =>
    'Сертификат портала не удалось проверить. Если его выдал частный центр сертификации, добавьте сертификат этого центра в приложение.',
  bad_domain: ({ domain }) => `«${text(domain)}» — не адрес портала; он выглядит как acme.bitrix24.ru.`,

  telegram_not_sent: upstream('Telegram сейчас недоступен'),
  telegram_refused: upstream('Telegram отклонил запрос'),
  telegram_unauthorised: upstream('Telegram не принимает токен бота'),
  telegram_unknown: upstream('Telegram не дал ясного ответа'),
  bitrix24_not_sent: upstream('Портал сейчас не может этого сделать'),
  bitrix24_refused: upstream('Портал отклонил запрос'),
  bitrix24_unauthorised: upstream('Портал не принимает наш доступ'),
  bitrix24_unknown: upstream('Портал не дал ясного ответа'),
};

const ROLES: Record<string, string> = { read_only: '«только чтение»', operator: '«оператор»', owner: '«владелец»' };

/** What the forms call their fields. */
const FIELDS: Record<string, string> = {
  token: 'токен',
  lineId: 'открытая линия',
  portalId: 'портал',
  name: 'название',
  expiresAt: 'срок действия',
  domain: 'портал',
  clientId: 'client id',
  clientSecret: 'client secret',
  operatorNameTemplate: 'строка перед ответом',
  welcomeText: 'приветствие',
  retentionDays: 'срок хранения',
  q: 'слова для поиска',
  from: 'начало периода',
  to: 'конец периода',
};
