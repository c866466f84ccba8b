import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from './problem.js';

/** `@RouteConfig` of a route whose body is a file: `request.body` is its stream, which the route reads with a limit of its own. */
export const TAKES_FILE = { takesFile: true };

/** Files as they are, `application/octet-stream`; refused before a byte is read where no route takes them. */
export function takeFileBodies(server: FastifyInstance): void {
  server.addContentTypeParser('application/octet-stream', (request, payload, done) => {
    if (takesFile(request)) done(null, payload);
    else done(new Problem(415, 'unsupported_media_type', 'This address takes no files.'));
  });
}

function takesFile({ routeOptions }: FastifyRequest): boolean {
  return (routeOptions.config as Partial<typeof TAKES_FILE>).takesFile === true;
}
