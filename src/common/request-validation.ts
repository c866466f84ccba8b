import { ValidationPipe, type ValidationError } from '@nestjs/common';
import { Problem } from './problem.js';

/**
 * Bodies and queries are what their class says and nothing more: a misspelt filter must not mean "everything".
 * What is wrong is told all at once, as a 400 problem with `errors`, and with the names of the `fields` at fault.
 */
export function requestValidation(): ValidationPipe {
  return new ValidationPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    transform: true,
    exceptionFactory: (errors) => {
      const messages = errors.flatMap(messagesOf);
      return new Problem(400, 'invalid_request', `${messages.join('; ')}.`, {
        errors: messages,
        fields: [...new Set(errors.map(({ property }) => property))],
      });
    },
  });
}

function messagesOf(error: ValidationError): string[] {
  const own = Object.entries(error.constraints ?? {}).map(([name, message]) =>
    name === 'whitelistValidation' ? `${error.property} is not known here` : message,
  );
  return [...own, ...(error.children ?? []).flatMap(messagesOf)];
}
