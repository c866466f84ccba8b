import { accessDenied, adminApp, checkCallback, isCode } from './application-context.js';
import { senderKey, SMS_STATUSES, type SmsSender, type SmsStatus } from './message-service.js';
import { isEmpty, text, type Params } from './php-encoding.js';
import { RestError } from './rest-error.js';
import type { RestContext, RestMethods } from './rest-method.js';

const SCOPES = ['messageservice'];

/** messageservice/lib/restservice.php */
export const MESSAGE_SERVICE_METHODS: RestMethods = {
  'messageservice.sender.add': { scopes: SCOPES, run: add },
  'messageservice.sender.update': { scopes: SCOPES, run: update },
  'messageservice.sender.delete': {
    scopes: SCOPES,
    run: (params, context) => {
      const { app, code } = find(params, context);
      context.portal.messageService.senders.delete(senderKey(app, code));
      return true;
    },
  },
  'messageservice.sender.list': {
    scopes: SCOPES,
    run: (_params, context) => {
      const app = adminApp(context);
      return [...context.portal.messageService.senders.values()]
        .filter((sender) => sender.app === app)
        .map(({ code }) => code);
    },
  },
  'messageservice.message.status.update': { scopes: SCOPES, run: updateStatus },
};

/** The order of its checks: code, handler, name, type. */
function add(params: Params, context: RestContext): true {
  const app = adminApp(context);
  if (isEmpty(params)) throw invalid('Empty data!');
  const { CODE: code, HANDLER: handler, NAME: name, TYPE: type } = params;
  if (isEmpty(code)) throw invalid('Empty sender code!');
  if (!isCode(code)) throw invalid('Wrong sender code!');
  checkCallback(text(handler));
  if (isEmpty(name)) throw invalid('Empty sender NAME!');
  if (isEmpty(type)) throw invalid('Empty sender message TYPE!');
  if (type !== 'SMS') throw invalid('Unknown sender message TYPE!');
  const { senders } = context.portal.messageService;
  if (senders.has(senderKey(app, code)))
    throw new RestError(400, 'ERROR_SENDER_ALREADY_INSTALLED', 'Sender already installed!');
  const description = params['DESCRIPTION'] ?? null;
  senders.set(senderKey(app, code), { app, code, handler: text(handler), name, description });
  return true;
}

function update(params: Params, context: RestContext): true {
  adminApp(context);
  if (isEmpty(params['CODE'])) throw new RestError(400, 'ERROR_SENDER_CODE_REQUIRED', 'CODE is required!');
  const sender = find(params, context);
  if (['NAME', 'DESCRIPTION', 'HANDLER'].every((name) => isEmpty(params[name])))
    throw new RestError(400, 'ERROR_SENDER_OTHER_PARAMS_REQUIRED', 'Other params required!');
  if (!isEmpty(params['HANDLER'])) {
    checkCallback(text(params['HANDLER']));
    sender.handler = text(params['HANDLER']);
  }
  if (!isEmpty(params['NAME'])) sender.name = params['NAME'];
  if (!isEmpty(params['DESCRIPTION'])) sender.description = params['DESCRIPTION'];
  return true;
}

function find({ CODE: code }: Params, context: RestContext): SmsSender {
  const app = adminApp(context);
  const sender = context.portal.messageService.senders.get(senderKey(app, text(code)));
  if (sender === undefined) throw new RestError(400, 'ERROR_SENDER_NOT_FOUND', 'Sender not found!');
  return sender;
}

/** Any status at any time, backwards too; by the author of the message, or an administrator. */
function updateStatus(params: Params, { app, user, portal }: RestContext): true {
  if (app === null) throw accessDenied('Application context required');
  const code = text(params['CODE']);
  if (code === '') throw invalid('Empty sender code!');
  const sms = portal.messageService.sent.find(
    (row) =>
      row.app === app &&
      row.code === code &&
      row.messageId === params['MESSAGE_ID'] &&
      row.thereFrom <= portal.clock.now(),
  );
  if (sms === undefined) throw new RestError(400, 'ERROR_MESSAGE_NOT_FOUND', 'Message not found!');
  if (sms.authorId !== user.id && !user.admin) throw accessDenied();
  const status = text(params['STATUS']) as SmsStatus;
  if (!SMS_STATUSES.includes(status))
    throw new RestError(400, 'ERROR_MESSAGE_STATUS_INCORRECT', 'Message status incorrect!');
  sms.status = status;
  sms.reports.push(status);
  return true;
}

function invalid(description: string): RestError {
  return new RestError(400, 'ERROR_SENDER_VALIDATION_FAILURE', description);
}
