import { createSign, generateKeyPairSync, randomBytes } from 'node:crypto';

/**
 * A key and a self-signed certificate of 127.0.0.1, made anew: nothing secret lies in the repository.
 *
 * @param days for which it is valid from yesterday on
 */
export function loopbackCertificate(days = 30): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'));
  // One of its own: OpenSSL looks for an issuer by its name.
  const called = Buffer.from(`Loopback ${randomBytes(4).toString('hex')}`);
  const name = sequence(set(sequence(oid('550403'), node(0x0c, called))));
  const day = 86_400_000;
  const validity = sequence(time(Date.now() - day), time(Date.now() + (days - 1) * day));
  // RFC 5280, 4.2.1.6: subjectAltName with one iPAddress; 4.2.1.9: basicConstraints, a CA, so that it may be trusted.
  const altName = sequence(oid('551d11'), octets(sequence(node(0x87, Buffer.from([127, 0, 0, 1])))));
  const authority = sequence(oid('551d13'), octets(sequence(node(0x01, Buffer.from([0xff])))));
  const body = sequence(
    node(0xa0, node(0x02, Buffer.from([2]))),
    node(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    node(0xa3, sequence(altName, authority)),
  );
  const signature = createSign('SHA256').update(body).sign(privateKey);
  const certificate = sequence(body, ecdsaWithSha256, node(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = certificate.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

/** One element of DER: tag, length, content. */
function node(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, Math.floor(length / 0x100), length % 0x100];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: Buffer[]) => node(0x30, Buffer.concat(parts));
const set = (...parts: Buffer[]) => node(0x31, Buffer.concat(parts));
const octets = (content: Buffer) => node(0x04, content);
const oid = (hex: string) => node(0x06, Buffer.from(hex, 'hex'));
/** UTCTime: YYMMDDHHMMSSZ. */
const time = (ms: number) => node(0x17, Buffer.from(`${new Date(ms).toISOString().replace(/\D/g, '').slice(2, 14)}Z`));
