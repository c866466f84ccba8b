/** What Contact Center shows on the connector's tile (imconnector.register, ICON and ICON_DISABLED). */
export interface ConnectorIcon {
  DATA_IMAGE: string;
  COLOR: string;
  SIZE: string;
  POSITION: string;
}

const PLANE = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 70 71"><path fill="#fff" fill-rule="evenodd" d="M55.6 16.1 12.9 32.6c-2.9 1.2-2.9 2.8-.5 3.5l10.9 3.4 4.2 12.9c.5 1.4.3 2 1.8 2 1.1 0 1.6-.5 2.3-1.1l5.2-5.1 10.9 8c2 1.1 3.4.5 3.9-1.9L58.8 20c.7-2.9-1.1-4.2-3.2-3.9ZM25.2 38.7l24.9-15.7c1.2-.7 2.2-.3 1.3.5L30.1 42.8l-.8 8.6-4.1-12.7Z"/></svg>`;

const image = `data:image/svg+xml;charset=US-ASCII,${encodeURIComponent(PLANE)}`;

/** A white paper plane; the portal paints COLOR behind it. */
export const CONNECTOR_ICON: ConnectorIcon = { DATA_IMAGE: image, COLOR: '#2aabee', SIZE: '90%', POSITION: 'center' };

/** The same on grey: the connector is not connected to this line. */
export const CONNECTOR_ICON_DISABLED: ConnectorIcon = { ...CONNECTOR_ICON, COLOR: '#a0a7ae' };
