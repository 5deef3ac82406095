//! Documents: the same bytes as a typed struct, both ways, and all kinds side by side.
