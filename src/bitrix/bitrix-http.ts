import { HttpService } from '@nestjs/axios';
import { AxiosHeaders, create } from 'axios';
import type { BitrixConnections } from './bitrix-connections.js';

/**
 * The HTTP client for what is asked seldom, such as tokens: by our own connections, and so by their proxies, authorities
 * and limits. Follows no redirect, answers any status with its body as text, and fails with a TransportError. A request
 * names its `timeout`.
 */
export function bitrixHttp(connections: BitrixConnections): HttpService {
  return new HttpService(
    create({
      validateStatus: () => true,
      // The body is parsed where its meaning is known, whatever the status says.
      transformResponse: (body: unknown) => body,
      adapter: async (config) => {
        const { status, headers, text } = await connections.post(
          {
            url: new URL(config.url!),
            headers: Object.fromEntries(
              Object.entries(config.headers.toJSON()).map(([name, value]) => [name, String(value)]),
            ),
            body: config.data as string,
            timeoutMs: config.timeout!,
          },
          null,
        );
        return {
          status,
          statusText: '',
          headers: new AxiosHeaders(headers as Record<string, string>),
          data: text,
          config,
        };
      },
    }),
  );
}
