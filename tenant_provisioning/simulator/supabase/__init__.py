"""Supabase Auth as its server behaves. There is no PostgREST: the platform's database is a real one, elsewhere."""
