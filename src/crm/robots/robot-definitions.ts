import type { Words } from '../../common/delivery-problem.js';

/** One property or result of a robot, as bizproc.robot.add takes it; the key is its name in posts. */
interface RobotField {
  Name: Words;
  Description?: Words;
  Type: 'string' | 'text' | 'int' | 'bool' | 'datetime';
  Required?: 'Y';
  Default?: string;
}

/** What a portal is told of a robot, but for its address. */
export interface RobotDefinition {
  code: string;
  name: Words;
  description: Words;
  /** `Y`: the process always waits for the result; '': whoever sets the robot up chooses. */
  subscription: 'Y' | '';
  properties: Readonly<Record<string, RobotField>>;
  results: Readonly<Record<string, RobotField>>;
}

export const SEND_MESSAGE = 'tg_send_message';
export const WAIT_ANSWER = 'tg_wait_answer';
export const INVITATION = 'tg_invitation_link';

const STATUS: RobotField = {
  Name: { en: 'Result', ru: 'Результат' },
  Description: {
    en: 'delivered, no_chat, blocked, failed, uncertain',
    ru: 'delivered — доставлено, no_chat — нет чата, blocked — бот заблокирован, failed — ошибка, uncertain — неизвестно',
  },
  Type: 'string',
};
const ERROR: RobotField = { Name: { en: 'Error', ru: 'Ошибка' }, Type: 'string' };
const PHONE: RobotField = {
  Name: { en: 'Phone', ru: 'Телефон' },
  Description: {
    en: 'Used when the document has no Telegram chat: finds a client who has shared this number with the bot.',
    ru: 'Если у документа нет чата в Telegram: находит клиента, который поделился с ботом этим номером.',
  },
  Type: 'string',
};

/** Minutes that a client has to answer unless the robot says otherwise: a day. */
export const ANSWER_MINUTES = 1_440;

export const ROBOTS: readonly RobotDefinition[] = [
  {
    code: SEND_MESSAGE,
    name: { en: 'Send a Telegram message', ru: 'Отправить сообщение в Telegram' },
    description: {
      en: 'Writes to the client of the document in Telegram and says what became of it.',
      ru: 'Пишет клиенту документа в Telegram и сообщает, дошло ли сообщение.',
    },
    subscription: '',
    properties: {
      text: { Name: { en: 'Text', ru: 'Текст' }, Type: 'text', Required: 'Y' },
      buttons: {
        Name: { en: 'Buttons', ru: 'Кнопки' },
        Description: {
          en: 'One a line. With a link: text | https://…',
          ru: 'По одной в строке. Со ссылкой: текст | https://…',
        },
        Type: 'text',
      },
      file: {
        Name: { en: 'Link to a file', ru: 'Ссылка на файл' },
        Description: {
          en: 'A file of this portal goes as a file, any other link as a link. Separate several with commas.',
          ru: 'Файл этого портала уйдёт файлом, любая другая ссылка — ссылкой. Несколько — через запятую.',
        },
        Type: 'string',
      },
      ask_phone: {
        Name: { en: 'Ask for the phone number', ru: 'Запросить номер телефона' },
        Description: {
          en: 'A button by which the client shares their own number; only where there are no other buttons.',
          ru: 'Кнопка, которой клиент отправляет свой номер; только если нет других кнопок.',
        },
        Type: 'bool',
        Default: 'N',
      },
      phone: PHONE,
      advertising: {
        Name: { en: 'Advertising', ru: 'Реклама' },
        Description: {
          en: 'Conversations go first, and clients who have unsubscribed do not get it.',
          ru: 'Сначала уйдут сообщения живой переписки; отписавшиеся клиенты рекламу не получат.',
        },
        Type: 'bool',
        Default: 'N',
      },
    },
    results: {
      status: STATUS,
      message_id: { Name: { en: 'Telegram message ID', ru: 'ID сообщения в Telegram' }, Type: 'string' },
      time: { Name: { en: 'Delivered at', ru: 'Время доставки' }, Type: 'string' },
      error: ERROR,
    },
  },
  {
    code: WAIT_ANSWER,
    name: { en: 'Wait for the client’s answer in Telegram', ru: 'Ждать ответа клиента в Telegram' },
    description: {
      en: 'Waits until the client of the document writes or presses a button, and returns their words.',
      ru: 'Ждёт, пока клиент документа напишет или нажмёт кнопку, и возвращает его слова.',
    },
    subscription: 'Y',
    properties: {
      minutes: {
        Name: { en: 'Wait at most, minutes', ru: 'Ждать не дольше, минут' },
        Type: 'int',
        Default: String(ANSWER_MINUTES),
      },
      phone: PHONE,
    },
    results: {
      status: {
        ...STATUS,
        Description: {
          en: 'answered, timeout, no_chat, failed',
          ru: 'answered — ответил, timeout — не ответил вовремя, no_chat — нет чата, failed — ошибка',
        },
      },
      text: { Name: { en: 'Answer', ru: 'Ответ' }, Type: 'text' },
      time: { Name: { en: 'Answered at', ru: 'Время ответа' }, Type: 'string' },
      error: ERROR,
    },
  },
  {
    code: INVITATION,
    name: { en: 'Make a Telegram invitation link', ru: 'Создать приглашение в Telegram' },
    description: {
      en: 'Returns a link to the bot: whoever comes by it is linked to the document.',
      ru: 'Возвращает ссылку на бота: кто по ней придёт, будет привязан к документу.',
    },
    subscription: 'Y',
    properties: {
      line: {
        Name: { en: 'Open line, number', ru: 'Номер открытой линии' },
        Description: {
          en: 'Needed only where several lines have bots.',
          ru: 'Нужен, только если боты есть у нескольких линий.',
        },
        Type: 'string',
      },
    },
    results: {
      status: {
        ...STATUS,
        Description: { en: 'made, failed', ru: 'made — создана, failed — ошибка' },
      },
      link: { Name: { en: 'Link', ru: 'Ссылка' }, Type: 'string' },
      error: ERROR,
    },
  },
];

/** The fields of bizproc.robot.add and of FIELDS in bizproc.robot.update. */
export function robotFields(robot: RobotDefinition, handler: string): Record<string, unknown> {
  return {
    HANDLER: handler,
    NAME: robot.name,
    DESCRIPTION: robot.description,
    USE_SUBSCRIPTION: robot.subscription,
    PROPERTIES: robot.properties,
    RETURN_PROPERTIES: robot.results,
    // Robots of the CRM only: nothing else has a client.
    FILTER: { INCLUDE: [['crm']] },
  };
}
