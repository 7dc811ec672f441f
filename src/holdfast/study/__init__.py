"""The typed specification, its expansion into trajectories and cells with content ids, costs, presets. No torch."""
