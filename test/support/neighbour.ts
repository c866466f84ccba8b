import type { Bridge } from './bridge.js';
import type { Portal } from './bitrix24-simulator/portal.js';
import type { SimulatedBot } from './telegram-simulator/simulated.bot.js';

/** Another portal with a bot of its own, in the same program. */
export interface Neighbour {
  portal: Portal;
  bot: SimulatedBot;
  /** As the admin API names them. */
  portalId: string;
  botId: string;
}

export interface NeighbourSettings {
  line: string;
  token: string;
  username: string;
}

/** Installs the application in a second portal and gives one of its lines a bot. */
export async function addNeighbour(
  { bitrix24, telegram, app, program }: Bridge,
  { line, token, username }: NeighbourSettings,
): Promise<Neighbour> {
  const portal = await bitrix24.addPortal({ lines: [{ id: line, name: 'Next door' }] });
  const { clientId, clientSecret, handlerUrl, installUrl, scope } = app;
  const frame = await portal.openInstallFrame(
    portal.addApp({ kind: 'ui', clientId, clientSecret, handlerUrl, installUrl, scope }),
  );
  if (frame.status !== 200) throw new Error(`Installation failed: ${frame.status} ${frame.html}\n${program.tail()}`);
  await frame.runInstallFinish();
  const portals = (await program.admin('GET', '/portals')).json.items as { id: string; memberId: string }[];
  const portalId = portals.find(({ memberId }) => memberId === portal.memberId)!.id;
  const bot = telegram.addBot({ token, username });
  const made = await program.admin('POST', '/bots', { token, portalId, lineId: line });
  if (made.status !== 201) throw new Error(`No bot: ${made.text}`);
  const active = await program.admin('POST', `/portals/${portalId}/connector/activate`, { lineId: line });
  if (!active.json.ok) throw new Error(`No line: ${active.text}`);
  return { portal, bot, portalId, botId: made.json.id };
}
