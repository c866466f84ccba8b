import { IntersectionType } from '@nestjs/swagger';
import { LinkItem } from '../../crm/links/links.dto.js';
import { ListQuery, PlaceFilter } from '../admin.dto.js';
import { PageOf } from '../page.dto.js';

/** Which page of which links. */
export class LinksQuery extends IntersectionType(ListQuery, PlaceFilter) {}

export class LinkPage extends PageOf(LinkItem) {}
