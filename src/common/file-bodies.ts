import { errorCodes, type FastifyInstance, type FastifyRequest } from 'fastify';

/** `@RouteConfig` of a route whose body is a file: `request.body` is its stream, which the route reads with a limit of its own. */
export const TAKES_FILE = { takesFile: true };

/** Files as they are, `application/octet-stream`; refused before a byte is read where no route takes them. */
export function takeFileBodies(server: FastifyInstance): void {
  server.addContentTypeParser('application/octet-stream', (request, payload, done) => {
    if (takesFile(request)) done(null, payload);
    else done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE('application/octet-stream'));
  });
}

function takesFile({ routeOptions }: FastifyRequest): boolean {
  return (routeOptions.config as Partial<typeof TAKES_FILE>).takesFile === true;
}
