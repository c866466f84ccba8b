import { describe, expect, it } from 'vitest';
import { parseFrame, parseLanguage } from './frame.parser.js';

const QUERY = { DOMAIN: 'acme.bitrix24.com', PROTOCOL: '1', LANG: 'RU', APP_SID: 'dd8c' };
const BODY = {
  AUTH_ID: 'ee5f',
  AUTH_EXPIRES: '1800',
  REFRESH_ID: 'de7f',
  SERVER_ENDPOINT: 'https://oauth.bitrix24.tech/rest/',
  APPLICATION_TOKEN: '5185',
  APPLICATION_SCOPE: 'imconnector,im',
  member_id: 'a223',
  PLACEMENT: 'SETTING_CONNECTOR',
  PLACEMENT_OPTIONS: '{"CONNECTOR":"TG_bridge","LINE":"1","ACTIVE_STATUS":true}',
};

describe('a frame', () => {
  it('is read from its query and form', () => {
    expect(parseFrame(QUERY, BODY)).toEqual({
      accessToken: 'ee5f',
      refreshToken: 'de7f',
      expiresIn: 1800,
      applicationToken: '5185',
      serverEndpoint: 'https://oauth.bitrix24.tech/rest/',
      scope: 'imconnector,im',
      domain: 'acme.bitrix24.com',
      memberId: 'a223',
      language: 'ru',
      placement: { connector: 'tg_bridge', lineId: '1' },
      place: {
        name: 'SETTING_CONNECTOR',
        options: { CONNECTOR: 'TG_bridge', LINE: '1', ACTIVE_STATUS: true },
      },
    });
  });

  it('of an old box has no application token: APP_SID is something else', () => {
    const { APPLICATION_TOKEN: _, ...old } = BODY;
    expect(parseFrame(QUERY, old)?.applicationToken).toBeUndefined();
  });

  it('without AUTH_ID is none', () => {
    for (const body of [undefined, null, 'x', {}, { AUTH_ID: '' }, { AUTH_ID: ['a'] }]) {
      expect(parseFrame(QUERY, body)).toBeNull();
    }
  });

  it.each(['', '{', '[]', '""', '{"LINE":"1 OR 1"}', '{"LINE":"0"}', '{"LINE":{"a":1}}', undefined])(
    'with the options %j names no line',
    (PLACEMENT_OPTIONS) => expect(parseFrame(QUERY, { ...BODY, PLACEMENT_OPTIONS })?.placement.lineId).toBeUndefined(),
  );

  it('takes the line as a number and the options as an object too', () => {
    expect(parseFrame(QUERY, { ...BODY, PLACEMENT_OPTIONS: { LINE: 12 } })?.placement).toEqual({ lineId: '12' });
  });

  it('in a language that is no code is English', () => {
    expect(['en', '<b>', '', undefined, 'toolong'].map(parseLanguage)).toEqual(['en', 'en', 'en', 'en', 'en']);
  });
});
