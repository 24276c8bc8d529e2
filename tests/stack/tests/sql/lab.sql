-- Directions to make vectors of by arithmetic, the same in each run; drawing all numbers of many vectors takes long.
create schema lab;
create function lab.direction() returns extensions.vector language sql volatile as $$
    select extensions.l2_normalize(array_agg(sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))::real[]::extensions.vector)
    from generate_series(1, 384)
$$;
create function lab.moved(v extensions.vector, by extensions.vector, share real) returns extensions.vector
language sql immutable as $$
    select extensions.l2_normalize(v operator(extensions.+)
        (by operator(extensions.*) array_fill(share, array[384])::extensions.vector))
$$;
select setseed(0.5);
create table lab.directions as select n, lab.direction() as v from generate_series(0, 1199) n;
