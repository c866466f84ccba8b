import { stateReasonInWords } from '../../common/state-reasons.js';
import type { Findings, Format, Sentence, Words } from './findings.js';

const SET_CLOCK = 'Настройте синхронизацию времени по NTP (systemd-timesyncd, chrony; у контейнера часы хоста).';
const NOTHING_LOST = 'Ничего не потеряется: то, что мы не можем сохранить, хранят Telegram и Битрикс24.';
const TAKES_OVER =
  'Реплика подхватит его сама в течение 30 секунд. Если этого не произошло, посмотрите журналы реплик.';
const BY_ITSELF = 'Сообщения ждут и уйдут сами не позже чем через пять минут после этого.';
const THE_REST = 'Ждёт только то, для чего он нужен; остальное работает.';
const CONNECTOR = 'На переписку это не влияет.';
const NEW_TOKEN = 'получите новый у @BotFather и введите его через «Новый токен» в разделе «Порталы и боты»';
const MADE_BOTS =
  'Пока это не исправлено, страница настроек просит токен, а токены созданных ранее ботов не обновляются сами; сообщения идут как обычно.';
const NO_TIMELY_ANSWER =
  'Если портал работает и адрес верный, подождите: сообщения тоже ждут. Иначе установите приложение заново.';

const since = (moment: string | null, time: (moment: string) => string) => (moment ? `, с ${time(moment)}` : '');
const because = ({ reasonCode: code, said }: Findings['portal.gone']) =>
  code || said ? ` (${stateReasonInWords({ code, said }, 'ru')})` : '';
const why = ({ cause, said }: Findings['bot.ill'], { reason }: Format) => {
  const words = cause === null ? '' : reason(cause);
  return words ? `${words.replace(/\.$/, '')} (${said})` : said;
};
const heard = ({ heard: moment }: { heard: string | null }, { time }: Format) =>
  moment ? `; последний ответ Telegram: ${time(moment)}` : '';
const where = (install: string | null) => install ?? 'в Маркете портала';
const ahead = (whose: string, seconds: number) =>
  seconds === 0 ? whose : `${whose} ${seconds > 0 ? 'спешит' : 'отстаёт'} на ${Math.abs(seconds)} с`;
const clocks = ({ database, telegram }: { database: number | null; telegram: number | null }) =>
  [database === null ? '' : ahead('база данных', database), telegram === null ? '' : ahead('Telegram', telegram)]
    .filter(Boolean)
    .join(', ');

/** What the console says in Russian. */
export const ru: Words = {
  'database.ok': { what: 'PostgreSQL отвечает' },
  'database.standby': {
    what: 'PostgreSQL только для чтения: DATABASE_URL указывает на резервный сервер',
    advice: `Укажите в DATABASE_URL адрес основного сервера или сделайте основным этот. ${NOTHING_LOST}`,
  },
  'database.read_only': {
    what: 'PostgreSQL только для чтения: включён default_transaction_read_only',
    advice: `Хостинги включают его, когда заканчивается диск: освободите место. В остальных случаях выполните ALTER DATABASE … RESET default_transaction_read_only. ${NOTHING_LOST}`,
  },
  'database.away': {
    what: ({ said }) => `PostgreSQL не отвечает: ${said}`,
    advice: `Запустите PostgreSQL или исправьте DATABASE_URL. ${NOTHING_LOST}`,
  },
  'migrations.ok': { what: 'Структура базы данных актуальна' },
  'migrations.missing': {
    what: ({ names }) => `Не применены миграции: ${names}`,
    advice: 'Перезапустите эту реплику: миграции применяются при запуске.',
  },
  'examination.broken': {
    what: ({ said }) => `Проверка прервалась: ${said}`,
    advice: 'Повторите её; подробности могут быть в журнале сервиса.',
  },
  'intake.ok': { what: 'Входящее сохраняется' },
  'intake.failing': {
    what: ({ since: at, said }, { time }) => `Входящее не удаётся сохранить с ${time(at)}: ${said}`,
    advice: `Устраните то, о чём сообщает PostgreSQL: место на диске, права роли, таблицы. ${NOTHING_LOST}`,
  },

  'public_url.ok': { what: ({ url }) => `Внешний адрес сервиса: ${url}` },
  'public_url.plain': {
    what: ({ url }) => `Внешний адрес сервиса — ${url}, без https`,
    advice: 'Задайте в PUBLIC_URL https-адрес, по которому Битрикс24 обращается к сервису.',
  },
  'public_url.missing': {
    what: 'Внешний адрес сервиса неизвестен',
    advice: 'Задайте в PUBLIC_URL https-адрес, по которому Битрикс24 обращается к сервису.',
  },
  'application.ok': {
    what: ({ stored }, { count }) =>
      `Приложение Битрикс24 настроено${stored > 0 ? `, и ещё ${count(stored, '# приложение сохранено|# приложения сохранены|# приложений сохранено')}` : ''}`,
  },
  'application.stored': {
    what: ({ stored }, { count }) =>
      `B24_CLIENT_ID не задан; ${count(stored, 'сохранено # приложение|сохранено # приложения|сохранено # приложений')}`,
  },
  'application.missing': {
    what: 'Приложение Битрикс24 не настроено',
    advice:
      'Создайте в Битрикс24 локальное приложение (раздел Разработчикам), затем нажмите «Добавить приложение» в разделе «Порталы и боты» или задайте B24_CLIENT_ID и B24_CLIENT_SECRET.',
  },
  'handler_secret.ok': { what: 'Обработчик событий защищён секретом' },
  'handler_secret.missing': {
    what: 'У обработчика событий нет секрета',
    advice:
      'Задайте в B24_HANDLER_SECRET длинную случайную строку и перезапустите сервис. Затем нажмите «Зарегистрировать заново» на странице каждого портала.',
  },

  'clock.agree': { what: (params) => `Часы идут одинаково (${clocks(params)})` },
  'clock.differ': { what: (params) => `Часы расходятся (${clocks(params)})`, advice: SET_CLOCK },
  'clock.unknown': { what: 'Сверить часы не удалось' },
  'disk.ok': { what: disks },
  'disk.scarce': {
    what: disks,
    advice: ({ scarce }) =>
      `Освободите место или увеличьте диск: ${scarce}. Без места база данных не принимает сообщения; какое-то время их хранят Telegram и Битрикс24.`,
  },
  'transactions.ok': { what: 'Долгих транзакций нет' },
  'transactions.long': {
    what: ({ owner, pid, idle, seconds }, { span }) =>
      `${pid === null ? `Подготовленная транзакция ${owner}` : `Транзакция ${owner} (процесс ${pid})`} открыта уже ${span(seconds)}${idle ? ' и ничего не делает' : ''}`,
    advice: ({ owner, pid }) =>
      `Из-за неё PostgreSQL не может убрать старые строки, и всё замедляется. Завершите эту программу (резервная копия может идти долго) или саму транзакцию: ${
        pid === null ? `COMMIT PREPARED или ROLLBACK PREPARED '${owner}'` : `SELECT pg_terminate_backend(${pid})`
      }.`,
  },
  'roots.some': { what: roots },
  'roots.none': {
    what: roots,
    advice:
      'Запустите один из ретрансляторов из TG_API_ROOT или укажите там другой и перезапустите сервис. Сообщения ждут и уйдут сами.',
  },
  'api_kind.limited': {
    what: 'TG_API_ROOT ведёт на ваш собственный сервер Bot API, но файлы ограничены как у Telegram: 20 МБ от клиентов, 50 МБ клиентам',
    advice: 'Задайте TG_API_KIND=local и перезапустите сервис: в обе стороны пойдут файлы до 2 ГБ.',
  },
  'routes.ok': {
    what: ({ network, all, connects }, { count }) =>
      [
        `${count(all, '# путь|# пути|# путей')} до ${inRussian(network)}: с ними всё в порядке`,
        ...connectTimes(connects),
      ].join('; '),
  },
  'routes.some': { what: routes },
  'routes.none': {
    what: routes,
    advice: ({ variable }) =>
      `Запустите один из прокси из ${variable} или укажите там другой (direct — без прокси) и перезапустите сервис. Сообщения ждут и уйдут сами.`,
  },
  'routes.password': {
    what: routes,
    advice: ({ variable }) =>
      `Прокси не принимает имя или пароль из ${variable} (схема://имя:пароль@хост:порт). Исправьте их и перезапустите сервис; символы @ : / # % пишутся как %40 %3A %2F %23 %25. Сообщения ждут и уйдут сами.`,
  },

  'portals.some': { what: ({ active, all }) => `Подключено порталов: ${active} из ${all}` },
  'portals.none': {
    what: ({ active, all }) => `Подключено порталов: ${active} из ${all}`,
    advice:
      'Установите приложение: войдите в Битрикс24 как администратор и откройте адрес из поля «Ссылка для установки» («Порталы и боты», «Приложения»).',
  },
  'bots.some': { what: ({ active, all }) => `Работает ботов: ${active} из ${all}` },
  'bots.none': {
    what: ({ active, all }) => `Работает ботов: ${active} из ${all}`,
    advice:
      'Получите токен у @BotFather и нажмите «Добавить бота» в разделе «Порталы и боты» или задайте TG_BOT_TOKEN и перезапустите сервис.',
  },
  'queue.empty': { what: 'Ни одно сообщение не ждёт' },
  'queue.moving': { what: ({ seconds }, { span }) => `Дольше всех ожидающее сообщение ждёт ${span(seconds)}` },
  'queue.stuck': {
    what: ({ seconds }, { span }) => `Дольше всех ожидающее сообщение ждёт ${span(seconds)}`,
    advice:
      'Откройте «Сообщения» с состоянием «Ожидает»: в истории самого старого видно, чего оно ждёт. Причину обычно называют другие проверки на этой странице.',
  },
  'attention.none': { what: 'За последние 24 часа нет сообщений, требующих внимания' },
  'attention.some': {
    what: ({ failed, uncertain }) =>
      `За последние 24 часа не доставлено: ${failed}, исход неизвестен: ${uncertain}. Решите, что с ними делать, в разделе «Внимание»`,
  },
  'attention.unread': {
    what: ({ count: number, since: at }, { time, count }) =>
      `${count(number, '# сообщение клиента не доставлено|# сообщения клиентов не доставлены|# сообщений клиентов не доставлено')} с ${time(at)}: операторы их не видели`,
    advice:
      'Откройте «Внимание»: у каждого сообщения указана причина. Отправьте ещё раз то, что уже может уйти, остальное отклоните.',
  },

  'bot.active': { what: ({ bot }) => `${bot} работает` },
  'bot.conflict': {
    what: ({ bot }) => `Обновления ${bot} читает другая программа`,
    advice: `Остановите её или отзовите токен у @BotFather, ${NEW_TOKEN}.`,
  },
  'bot.unauthorised': {
    what: ({ bot }) => `Токен ${bot} отклонён`,
    advice: `Telegram больше не принимает токен: ${NEW_TOKEN}. Сообщения ждут.`,
  },
  'bot.disabled': { what: ({ bot }) => `${bot} выключен` },
  'bot.line': { what: ({ bot, line, portal }) => `${bot} обслуживает линию ${line} портала ${portal}` },
  'bot.no_line': {
    what: ({ bot }) => `${bot} не обслуживает ни одной открытой линии`,
    advice: 'Назначьте ему линию через «Линия и режим» в разделе «Порталы и боты». До этого его сообщения ждут.',
  },
  'bot.driven': { what: ({ bot }) => `${bot} обслуживается` },
  'bot.idle': { what: ({ bot }) => `Сейчас ${bot} не обслуживает ни одна реплика`, advice: TAKES_OVER },
  'bot.ill': {
    what: (params, format) => `У ${params.bot} неполадки с ${format.time(params.since)}: ${why(params, format)}`,
    advice:
      'Попытки повторяются сами. Проверьте, что с этой машины доступен Telegram (TG_API_ROOT, TG_PROXY_URL) и что токеном больше никто не пользуется.',
  },
  'bot.no_webhook_address': {
    what: ({ bot }) => `${bot} работает через вебхук, но сервис не знает своего адреса`,
    advice:
      'Задайте PUBLIC_URL и перезапустите сервис или выберите «Опрос» через «Линия и режим» в разделе «Порталы и боты». Обновления ждут в Telegram 24 часа.',
  },
  'bot.storing_fails': {
    what: ({ bot, since: at, said }, { time }) =>
      `Обновления ${bot} не удаётся сохранить с ${time(at)}: ${said}. Они остаются в Telegram`,
    advice:
      'Устраните то, о чём сообщает PostgreSQL; если дело в одном сообщении, сообщите о нём разработчикам вместе с этим текстом. Telegram хранит обновления 24 часа, они придут сами.',
  },
  'bot.silenced': {
    what: ({ bot, until, waiting }, { time, count }) =>
      `Telegram попросил ${bot} молчать до ${time(until)}; ${count(waiting, 'ждёт # ответ|ждут # ответа|ждут # ответов')}`,
    advice:
      'Делать ничего не нужно: потом они уйдут сами, операторы предупреждены. Пишите меньшему числу клиентов сразу и не рассылайте многим одно и то же.',
  },
  'bot.answers_fail': {
    what: ({ bot, count: number, said }, { count }) =>
      `${count(number, '# ответ|# ответа|# ответов')} ${bot} не уходит после нескольких попыток; причина у самого старого: ${said}`,
    advice:
      'Попытки повторяются сами. Проверьте, что с этой машины доступен TG_API_ROOT и что ретранслятор или прокси на пути (TG_PROXY_URL) пропускает POST-запросы.',
  },
  'bot.reached': {
    what: ({ bot, mode, pending, seesGroups }, { count }) =>
      `${bot}, ${mode === 'polling' ? 'опрос' : 'вебхук'}, в Telegram ${count(pending, 'ждёт # обновление|ждут # обновления|ждут # обновлений')}; ${
        seesGroups
          ? 'в группах видит все сообщения'
          : 'в группах видит только команды и ответы себе (режим приватности): чтобы видеть всё, сделайте его там администратором или отправьте @BotFather команду /setprivacy и добавьте бота заново'
      }`,
  },
  'bot.unknown': { what: ({ bot }) => `${bot} удалён`, advice: 'Обновите страницу.' },
  'bot.hook_elsewhere': {
    what: ({ bot }) => `${bot}: Telegram отправляет обновления по чужому адресу`,
    advice:
      'Отключите программу, которая установила этот вебхук. Наш адрес восстановится в течение минуты, а сразу — через «Линия и режим» в разделе «Порталы и боты».',
  },
  'bot.hook_left': {
    what: ({ bot }) => `${bot} работает опросом, но у него установлен чужой вебхук`,
    advice: 'Отключите программу, которая его установила; вебхук снимется при следующем опросе.',
  },
  'bot.hook_fails': {
    what: ({ bot, said }) => `${bot}: Telegram не может доставить обновления: ${said}`,
    advice:
      'Telegram должен обращаться к PUBLIC_URL из интернета по порту 443, 80, 88 или 8443 и получать 200 от /tg/webhook. Исправьте это или выберите «Опрос» через «Линия и режим» в разделе «Порталы и боты». Обновления ждут в Telegram 24 часа.',
  },
  'bot.hook_certificate': {
    what: ({ bot, said }) => `${bot}: Telegram не принимает наш сертификат: ${said}`,
    advice:
      'Веб-сервер перед сервисом должен отдавать непросроченный сертификат общедоступного центра на имя из PUBLIC_URL вместе с промежуточными (fullchain.pem, а не cert.pem). Или выберите «Опрос» через «Линия и режим» в разделе «Порталы и боты». Обновления ждут в Telegram 24 часа.',
  },
  'bot.roots': { what: ({ bot, roots: all }) => `${bot}: ${roots({ roots: all })}` },
  'bot.roots_none': {
    what: ({ bot, roots: all }) => `${bot}: ${roots({ roots: all })}`,
    advice:
      'Запустите сервер Bot API этого бота или укажите другой: «Порталы и боты», «Линия и режим»; пусто — сервер из TG_API_ROOT. Сообщения ждут и уйдут сами.',
  },
  'bot.token_refused': {
    what: ({ bot, said }) => `${bot}: Telegram не принимает токен: ${said}`,
    advice: `Проверьте его у @BotFather: ${NEW_TOKEN}. Сообщения ждут.`,
  },
  'bot.unreachable': {
    what: ({ bot, said }) => `${bot}: Telegram недоступен: ${said}`,
    advice: 'Проверьте, что с этой машины доступен TG_API_ROOT (если нужен прокси — TG_PROXY_URL). Сообщения ждут.',
  },

  'manager.ready': {
    what: ({ bot, heard }, { time }) =>
      `${bot} создаёт ботов для открытых линий; последний ответ Telegram: ${time(heard)}`,
  },
  'manager.idle': {
    what: (params, format) =>
      `Ни одна реплика не читает обновления управляющего бота ${params.bot}${heard(params, format)}`,
    advice: `${TAKES_OVER} Пока обновления никто не читает, новых ботов создать нельзя; на ботов, которые обслуживают линии, это не влияет.`,
  },
  'manager.token_refused': {
    what: (params, format) =>
      `Telegram не принимает токен управляющего бота ${params.bot} (${params.said})${heard(params, format)}`,
    advice: `Возьмите действующий токен у @BotFather, задайте его в TG_MANAGER_BOT_TOKEN и перезапустите сервис. ${MADE_BOTS}`,
  },
  'manager.cannot_manage': {
    what: ({ bot }) => `${bot} (бот из TG_MANAGER_BOT_TOKEN) не может управлять другими ботами`,
    advice: `Откройте мини-приложение @BotFather, выберите бота и включите Bot Management Mode. Сервис заметит это через несколько секунд. ${MADE_BOTS}`,
  },
  'manager.serves_line': {
    what: ({ bot }) => `${bot} (бот из TG_MANAGER_BOT_TOKEN) уже обслуживает открытую линию`,
    advice: `Создайте у @BotFather отдельного бота, задайте его токен в TG_MANAGER_BOT_TOKEN и перезапустите сервис. ${MADE_BOTS}`,
  },
  'manager.hook_elsewhere': {
    what: (params, format) =>
      `Другая программа установила вебхук для управляющего бота ${params.bot}${heard(params, format)}`,
    advice: `Остановите её или отзовите токен у @BotFather, задайте новый в TG_MANAGER_BOT_TOKEN и перезапустите сервис. Вебхук снимется сам. ${MADE_BOTS}`,
  },
  'manager.conflict': {
    what: (params, format) =>
      `Обновления управляющего бота ${params.bot} читает другая программа${heard(params, format)}`,
    advice: `Остановите её или отзовите токен у @BotFather, задайте новый в TG_MANAGER_BOT_TOKEN и перезапустите сервис. ${MADE_BOTS}`,
  },
  'manager.unreachable': {
    what: (params, format) =>
      `Управляющий бот ${params.bot} не может связаться с Telegram (${params.said})${heard(params, format)}`,
    advice: `Проверьте, что с этой машины доступен TG_API_ROOT (если нужен прокси — TG_PROXY_URL). ${MADE_BOTS}`,
  },

  'portal.active': { what: ({ portal }) => `${portal} подключён` },
  'portal.reauthorise': {
    what: (params) => `${params.portal} нужно авторизовать заново${because(params)}`,
    advice: ({ install }) =>
      `Установите приложение заново как администратор: ${where(install)}. До этого сообщения ждут.`,
  },
  'portal.uninstalled': {
    what: (params) => `На ${params.portal} приложение удалено${because(params)}`,
    advice: ({ bots }) =>
      `Сообщения ${bots} ждут: установите приложение заново или назначьте ботам другую линию через «Линия и режим» в разделе «Порталы и боты».`,
  },
  'portal.gone': { what: (params) => `На ${params.portal} приложение удалено${because(params)}` },
  'portal.application': { what: ({ portal, clientId }) => `${portal} использует приложение ${clientId}` },
  'portal.foreign_application': {
    what: ({ portal, clientId }) =>
      `${portal} использует приложение ${clientId}, которого у нас нет: его токены не продлить`,
    advice:
      'Нажмите «Добавить приложение» в разделе «Порталы и боты» и введите его client id и secret (или задайте B24_CLIENT_ID), либо установите на портале другое приложение.',
  },
  'portal.tokens': { what: ({ portal, valid, all }) => `${portal}: действующих токенов ${valid} из ${all}` },
  'portal.no_tokens': {
    what: ({ portal, valid, all }) => `${portal}: действующих токенов ${valid} из ${all}`,
    advice: ({ install }) => `Установите приложение заново как администратор: ${where(install)}.`,
  },
  'portal.driven': { what: ({ portal }) => `${portal} обслуживается` },
  'portal.idle': { what: ({ portal }) => `Сейчас ${portal} не обслуживает ни одна реплика`, advice: TAKES_OVER },
  'portal.lines': { what: ({ portal, lines }) => `${portal}: подключённые линии: ${lines}` },
  'portal.no_lines': {
    what: ({ portal }) => `${portal}: ни одна линия не подключена`,
    advice:
      'Подключите Telegram к открытой линии в Контакт-центре или нажмите «Подключить» у линии на странице портала; или задайте B24_LINE_ID.',
  },
  'portal.answers': { what: ({ portal }) => `${portal} отвечает` },
  'portal.refuses': {
    what: ({ portal, method, said }) => `${portal}, ${method}: ${said}`,
    advice: NO_TIMELY_ANSWER,
  },
  'portal.crm': { what: ({ portal }) => `${portal} разрешает приложению работать с CRM` },
  // A choice, and no fault: messages need no CRM.
  'portal.no_crm': {
    what: ({ portal }) =>
      `${portal} не даёт приложению доступа к CRM: переходы по ссылкам считаются, но кампании не записываются в лиды и сделки, а приглашений нет. Чтобы они заработали, добавьте приложению право crm и установите его заново`,
  },
  'portal.installed': { what: ({ portal }) => `По данным ${portal} приложение установлено` },
  'portal.not_installed': {
    what: ({ portal }) => `По данным ${portal} приложение не установлено`,
    advice: 'Пока установка не закончена, Битрикс24 не присылает событий: откройте приложение на портале один раз.',
  },
  'portal.events': { what: ({ portal }) => `${portal} присылает каждое событие один раз` },
  'portal.events_wrong': {
    what: ({ portal, missing, stale }) =>
      `${portal}: ${[missing && `нет подписки: ${missing}`, stale && `подписка повторная или на старый адрес: ${stale}`].filter(Boolean).join('; ')}`,
    advice:
      'Нажмите «Зарегистрировать заново» на странице портала: недостающие подписки появятся, лишние будут удалены.',
  },
  'portal.events_unknown': { what: 'Адрес нашего обработчика событий неизвестен', advice: 'Задайте PUBLIC_URL.' },
  'portal.clock_agrees': {
    what: (params) => `Часы идут одинаково (${ahead(params.portal, params.ahead)})`,
  },
  'portal.clock_differs': {
    what: (params) => `Часы расходятся (${ahead(params.portal, params.ahead)})`,
    advice: SET_CLOCK,
  },

  'line.bot': { what: ({ portal, line, bot }) => `${portal}, линия ${line}: ${bot}` },
  'line.no_bot': {
    what: ({ portal, line }) => `${portal}, линия ${line}: нет бота`,
    advice:
      'В разделе «Порталы и боты» нажмите «Добавить бота» или назначьте линию одному из них через «Линия и режим»; либо нажмите «Отключить» у линии на странице портала.',
  },
  'line.active': { what: ({ portal, line }) => `${portal}, линия ${line}: коннектор работает` },
  'line.in_error': connectorIs('в коннекторе ошибка'),
  'line.not_ready': connectorIs('коннектор не готов'),
  'line.not_active': connectorIs('коннектор не включён'),
  'line.gone': {
    what: ({ portal, line }) => `${portal}: линии ${line} больше нет`,
    advice:
      'Назначьте боту другую линию через «Линия и режим» в разделе «Порталы и боты». Его сообщения ждут и перейдут вместе с ним.',
  },
  'line.on': { what: ({ portal, line }) => `${portal}, линия ${line}: включена в Битрикс24` },
  'line.off': {
    what: ({ portal, line }) => `${portal}, линия ${line}: выключена в Битрикс24`,
    advice:
      'Включите линию в Битрикс24 (Контакт-центр, Открытые линии) или назначьте боту другую через «Линия и режим» в разделе «Порталы и боты»: в выключенной никто не может ответить.',
  },

  'trouble.page': {
    what: ({ portal, said, since: at }, { time }) =>
      `${portal} на каждый запрос отвечает веб-страницей (${said})${since(at, time)}`,
    advice: `Откройте портал в браузере: возможно, закончилась лицензия, портал закрыт или фильтр перед ним не пропускает эту машину. ${BY_ITSELF}`,
  },
  'trouble.secret': {
    what: ({ portal, clientId, said, since: at }, { time }) =>
      `Неверный секрет приложения ${clientId} портала ${portal} (${said})${since(at, time)}`,
    advice:
      'Задайте в B24_CLIENT_SECRET секрет из карточки приложения в Битрикс24 и перезапустите сервис. Переустанавливать приложение не нужно; сообщения ждут.',
  },
  'trouble.stored_secret': {
    what: ({ portal, clientId, said, since: at }, { time }) =>
      `Неверный секрет приложения ${clientId} портала ${portal} (${said})${since(at, time)}`,
    advice:
      'Введите client secret из карточки приложения в Битрикс24: «Порталы и боты», «Приложения», «Изменить». Переустанавливать приложение не нужно; сообщения ждут и уйдут сразу.',
  },
  'trouble.client_id': {
    what: ({ portal, clientId, said, since: at }, { time }) =>
      `Битрикс24 не знает client id ${clientId} портала ${portal} (${said})${since(at, time)}`,
    advice: `Сверьте client id (B24_CLIENT_ID или «Приложения» в разделе «Порталы и боты») с карточкой приложения в Битрикс24. Если приложение там удалено, создайте новое. ${BY_ITSELF}`,
  },
  'trouble.payment': {
    what: ({ portal, said, since: at }, { time }) =>
      `Тариф ${portal} или подписка на приложение не оплачены (${said})${since(at, time)}`,
    advice: `Оплатите их в Битрикс24. ${BY_ITSELF}`,
  },
  'trouble.access': {
    what: ({ portal, said, since: at }, { time }) => `${portal} не пускает приложение (${said})${since(at, time)}`,
    advice: `Проверьте тариф портала (REST доступен на коммерческих) и права администратора, который установил приложение. ${BY_ITSELF}`,
  },
  'trouble.overload': {
    what: ({ portal, said, since: at }, { time }) =>
      `${portal} заблокировал REST из-за перегрузки (${said})${since(at, time)}`,
    advice: `Напишите в поддержку Битрикс24. ${BY_ITSELF}`,
  },
  'trouble.https': {
    what: ({ portal, said, since: at }, { time }) =>
      `${portal} принимает запросы только по https (${said})${since(at, time)}`,
    advice: `Настройте на веб-сервере портала перенаправление с http на https (мы ему последуем) или укажите https-адрес в B24_DOMAIN либо в поле «Портал» приложения и один раз откройте приложение на портале. ${BY_ITSELF}`,
  },
  'trouble.redirect': {
    what: ({ portal, said, since: at }, { time }) =>
      `${portal} перенаправляет на адрес, которому мы не доверяем (${said})${since(at, time)}`,
    advice: `Если портал переехал туда, укажите этот адрес в B24_DOMAIN либо в поле «Портал» приложения и один раз откройте приложение на портале. ${BY_ITSELF}`,
  },
  'trouble.private_authority': {
    what: ({ portal, said, since: at }, { time }) =>
      `Сертификат ${portal} выдан частным центром сертификации, который здесь неизвестен (${said})${since(at, time)}`,
    advice: `Добавьте сертификат этого центра (если сертификат коробки самоподписанный — его самого): «Порталы и боты», «Приложения», «Изменить». Либо укажите файл в B24_CA_FILE и перезапустите сервис. ${BY_ITSELF}`,
  },
  'trouble.certificate_expired': {
    what: ({ portal, said, since: at }, { time }) =>
      `Срок действия сертификата ${portal} истёк или ещё не начался (${said})${since(at, time)}`,
    advice: `Обновите сертификат портала и проверьте часы этой машины. ${BY_ITSELF}`,
  },
  'trouble.certificate_name': {
    what: ({ portal, said, since: at }, { time }) =>
      `Сертификат ${portal} выдан на другое имя хоста (${said})${since(at, time)}`,
    advice: `Выпустите сертификат на это имя или укажите портал под именем из сертификата в B24_DOMAIN либо в поле «Портал» приложения и один раз откройте приложение на портале. ${BY_ITSELF}`,
  },
  'trouble.no_way': {
    what: ({ portal, said, since: at }, { time }) =>
      `${portal} недоступен через все прокси (${said})${since(at, time)}`,
    advice: `Проверьте, что хотя бы один прокси из B24_PROXY_URL работает и пропускает к порталу: к его хосту и порту. ${BY_ITSELF}`,
  },
  'trouble.other': {
    what: ({ portal, said, since: at }, { time }) => `${portal}: ${said}${since(at, time)}`,
    advice: NO_TIMELY_ANSWER,
  },
  'method.missing': {
    what: ({ portal, method, said, since: at }, { time }) =>
      `${portal} не знает метода ${method} (${said})${since(at, time)}`,
    advice: `Обновите модули imopenlines и imconnector портала и проверьте, есть ли у приложения права на них. ${THE_REST}`,
  },
  'method.scope': {
    what: ({ portal, method, said, since: at }, { time }) =>
      `${portal} не даёт приложению вызывать ${method}: не хватает права (${said})${since(at, time)}`,
    advice: `Отметьте imopenlines и imconnector в карточке приложения в Битрикс24, затем один раз откройте приложение на портале как администратор. ${THE_REST}`,
  },
  'method.broken': {
    what: ({ portal, method, said, since: at }, { time }) =>
      `На ${portal} любой вызов ${method} заканчивается ошибкой (${said})${since(at, time)}`,
    advice: `Сбой внутри самого портала: причину покажет его журнал или поддержка Битрикс24. ${THE_REST}`,
  },
  'feature.no_scope': {
    what: ({ portal, feature, scope }) =>
      `${portal}: ${FEATURES[feature]} не работают: у приложения нет ${permissions(scope)} «${scope}»`,
    advice: `Добавьте недостающее в карточке приложения и установите приложение заново или выключите эту возможность. ${CONNECTOR}`,
  },
  'feature.no_plan': {
    what: ({ portal, feature }) => `${portal}: ${FEATURES[feature]} не работают на тарифе этого портала`,
    advice: `Смените тариф портала или выключите эту возможность. ${CONNECTOR}`,
  },
  'feature.no_rights': {
    what: ({ portal, feature }) =>
      `${portal}: ${FEATURES[feature]} не зарегистрировать: тот, кто установил приложение, больше не администратор`,
    advice: `Пусть администратор портала установит приложение заново. ${CONNECTOR}`,
  },
  'feature.failed': {
    what: ({ portal, feature, said }) => `${portal}: ${FEATURES[feature]} пока не зарегистрированы (${said})`,
    advice: `Попытка повторится сама. ${CONNECTOR}`,
  },
};

const permissions = (scope: string) => (scope.includes(',') ? 'прав' : 'права');

const FEATURES = {
  robots: 'роботы',
  sms: 'сообщения из CRM',
  triggers: 'триггеры',
  card: 'вкладки в карточках CRM',
  card_processes: 'вкладки в смарт-процессах',
  chat_panel: 'панели в чатах',
};

function disks({ disks: known, databaseBytes }: Findings['disk.ok'], { size }: Format): string {
  const told = known.map(
    ({ path, freeBytes, totalBytes }) => `${path}: свободно ${size(freeBytes)} из ${size(totalBytes)}`,
  );
  if (databaseBytes !== null) told.push(`база данных занимает ${size(databaseBytes)}`);
  return told.join('; ') || 'Место на дисках узнать не удалось';
}

const inRussian = (network: string) => (network === 'Bitrix24' ? 'Битрикс24' : network);

function routes({ network, failed, all, said, connects }: Findings['routes.none']): string {
  const broken = `Путей до ${inRussian(network)}, не сработавших в последний раз: ${failed} из ${all} (${said})`;
  return [broken, ...connectTimes(connects)].join('; ');
}

function connectTimes(connects: Findings['routes.ok']['connects']): string[] {
  return connects.map(({ name, ms }) => `${name}: соединяет за ${ms} мс`);
}

function roots({ roots: all }: Findings['roots.some']): string {
  const told = all.map(({ name, failure, ms, inUse }) => {
    if (failure !== null) return `${name}: ${failure}`;
    const measured = ms === null ? 'ещё не проверен' : `отвечает за ${ms} мс`;
    return `${name}: ${measured}${inUse ? ' (используется)' : ''}`;
  });
  return `Адреса Bot API в порядке TG_API_ROOT: ${told.join('; ')}`;
}

function connectorIs(fault: string): Sentence<Findings['line.not_active']> {
  return {
    what: ({ portal, line }) => `${portal}, линия ${line}: ${fault}`,
    advice:
      'Нажмите «Подключить» у линии на странице портала или подключите её в Контакт-центре. До этого сообщения ждут.',
  };
}
