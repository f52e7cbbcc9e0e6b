//! Kinds of record that say nothing about causes, or repeat what another says (schema of Copilot CLI 1.0.102, and what older
//! versions wrote).

const PASSED_OVER: &[&str] = &[
    "assistant.fusion_phase_completed",
    "assistant.fusion_phase_failed",
    "assistant.idle",
    "assistant.message_start",
    "assistant.turn_end",
    "assistant.turn_start",
    "external_tool.completed",
    "external_tool.requested",
    "hook.end",
    "hook.start",
    "human_response.recorded",
    "mcp.oauth_recovery_completed",
    "model.call_failure",
    "model.call_finished",
    "model.call_start",
    "model.message",
    "model.messages_snapshot",
    "model.model_call_started",
    "model.model_call_success",
    "model.response",
    "model.turn_ended",
    "model.turn_started",
    "permission.assentDetected",
    "permission.carriedForward",
    "permission.contextualAuthorization",
    "permission.messageAuthorization",
    "permission.messageAuthorizationDegraded",
    "permission.messageAuthorizationRead",
    "permission.requested",
    "result",
    "session.auto_mode_resolved",
    "session.autopilot_objective_changed",
    "session.binary_asset",
    "session.canvas.recorded",
    "session.canvas.removed",
    "session.compaction_start",
    "session.completion_receipt",
    "session.fusion_change_checkpoint",
    "session.fusion_commit_started",
    "session.fusion_completed",
    "session.fusion_handoff",
    "session.fusion_resolved",
    "session.fusion_route_failed",
    "session.handoff",
    "session.mode_changed",
    "session.mode_notice_delivered",
    "session.model_deselected",
    "session.permission_recovery",
    "session.permissions_changed",
    "session.plan_changed",
    "session.remote_steerable_changed",
    "session.request_body_compression_disabled",
    "session.schedule_cancelled",
    "session.schedule_created",
    "session.schedule_rearmed",
    "session.session_limits_changed",
    "session.snapshot_rewind",
    "session.task_complete",
    "session.truncation",
    "session.usage_checkpoint",
    "session.warning",
    "session.workspace_file_changed",
    "skill.context_delivered",
    "skill.context_delivered_ref",
    "skill.invoked_ref",
    "subagent.completed",
    "subagent.configured",
    "subagent.deselected",
    "subagent.failed",
    "subagent.selected",
    "system.message",
    "tool_search.activated",
];

/// Whether records of this kind are known to say nothing.
pub(super) fn passed_over(kind: &str) -> bool {
    PASSED_OVER.binary_search(&kind).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_sorted_for_the_search() {
        assert!(PASSED_OVER.is_sorted());
    }
}
