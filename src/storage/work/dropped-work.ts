/**
 * SQL: what drops queued deliveries takes them off their lanes as well, so that `pending` stays what a lane holds. A CTE
 * for behind `gone`, which returns the `lane_id` of each delivery that was deleted; its lanes must be locked already.
 */
export const LOWER_PENDING = `lowered AS (
  UPDATE lanes SET pending = lanes.pending - g.deliveries
    FROM (SELECT lane_id, count(*)::int AS deliveries FROM gone GROUP BY lane_id) g WHERE lanes.id = g.lane_id)`;
