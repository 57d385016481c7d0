"""Everything that writes: one module per noun, keyword-only verbs, the actor is `by=`."""
