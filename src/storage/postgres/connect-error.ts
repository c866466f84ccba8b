/** What node-postgres throws when it cannot connect: an error of the server, of the network or of TLS. */
export type ConnectError = Error & { code?: string; errors?: Error[] };

/** What a pooler says as 08P01, its code for everything, that it will say again. */
const FINAL_WORDS = /does not exist|authentication failed|no such (user|database)|unsupported startup parameter/i;

/**
 * Whether a server that comes up could still say yes: it did not answer at all, or with 57P03 (starting up), 53300
 * (too many connections) or a broken connection (class 08). Anything else it said it will say again.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function isTemporary({ code, message }: ConnectError): boolean {
  if (code === '08P01') return !FINAL_WORDS.test(message);
  if (code && /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('E')) return /^(57P0|53|08)/.test(code);
  // Said by node-postgres, or by TLS, before any server was asked.
  return !/SSL|password must be a string|self.signed|certificate/i.test(message);
}

/** What was said, in one line. Node wraps the refusals of several addresses (::1 and 127.0.0.1) in one without a message. */
export function reasonOf(error: ConnectError): string {
  return error.message || error.errors?.[0]?.message || error.code || error.name;
}

/** What to do about it, by code or by words; the first that fits. */
const ADVICE: { code?: RegExp; words?: RegExp; advice: string }[] = [
  {
    words: /no encryption|SSL off|(SSL|TLS|encrypted?).*(is )?required|requires? (an )?(SSL|TLS|encrypted)/i,
    advice: 'The server takes nobody in without TLS: add ?sslmode=require to DATABASE_URL.',
  },
  {
    words: /does not support SSL/i,
    advice: 'The server has no TLS: set sslmode=disable, or turn TLS on at the server.',
  },
  {
    code: /^CERT_HAS_EXPIRED$/,
    words: /certificate has expired/i,
    advice: "Renew the server's certificate.",
  },
  {
    code: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    advice:
      "The certificate is for another host name: use the provider's host name in DATABASE_URL, or sslmode=verify-ca with sslrootcert.",
  },
  {
    words: /self.signed certificate|unable to (get|verify).*certificate/i,
    advice:
      "The certificate is of no authority known here: download the provider's CA certificate and add &sslrootcert=/path/to/ca.pem, or use sslmode=require, which encrypts without checking it.",
  },
  {
    code: /^28P01$/,
    words: /(password|SASL) authentication failed|password must be a string/i,
    advice: 'Check the user and the password; its special characters must be percent-encoded.',
  },
  {
    words: /no pg_hba\.conf entry/i,
    advice: "Let this machine's address in: pg_hba.conf, or the provider's allow list.",
  },
  {
    code: /^3D000$/,
    words: /database "[^"]*" does not exist|no such database/i,
    advice: "Make it: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'.",
  },
  { code: /^42501$/, advice: 'Grant the role the right: GRANT CONNECT ON DATABASE … TO ….' },
  {
    code: /^53300$/,
    advice:
      'Each replica keeps up to DATABASE_POOL connections: lower it, raise max_connections, or put PgBouncer in between.',
  },
  { code: /^(ENOTFOUND|EAI_AGAIN)$/, advice: 'Is the host name in DATABASE_URL right?' },
  {
    code: /^(ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH)$/,
    advice: 'Is PostgreSQL running, and does a firewall let us through?',
  },
];

/** The reason and, where one is known, what to do about it. */
export function explain(error: ConnectError): string {
  const reason = reasonOf(error).replace(/\.$/, '');
  const code = error.code ?? (error.errors?.[0] as { code?: string } | undefined)?.code ?? '';
  const known = ADVICE.find((each) => each.code?.test(code) || each.words?.test(reason));
  return known ? `${reason}. ${known.advice}` : `${reason}.`;
}
